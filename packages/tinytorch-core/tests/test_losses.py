"""Module 04: losses at their edges. Values and gradients are in test_operations.py."""

import re
import warnings

import numpy as np
import pytest

from tinytorch.core.activations import log_softmax, sigmoid
from tinytorch.core.context import use
from tinytorch.core.errors import ShapeError
from tinytorch.core.layers import Linear, Sequential
from tinytorch.core.losses import (
    BCELoss,
    BCEWithLogitsLoss,
    CrossEntropyLoss,
    MSELoss,
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cross_entropy,
)
from tinytorch.core.tensor import Tensor


def test_cross_entropy_of_even_logits_is_the_log_of_the_number_of_classes():
    loss = CrossEntropyLoss()(Tensor(np.zeros((5, 10))), Tensor(np.arange(5)))
    assert loss.item() == pytest.approx(np.log(10))


@pytest.mark.parametrize("kernels", ["plain", "fast"])
def test_cross_entropy_is_finite_and_right_for_huge_logits(kernels):
    logits = Tensor([[1e4, 0.0], [0.0, 1e4]], requires_grad=True)
    with use(kernels):
        loss = CrossEntropyLoss()(logits, Tensor([0, 0]))
        loss.backward()
    assert loss.item() == pytest.approx(5e3)
    np.testing.assert_allclose(logits.grad, [[0, 0], [-0.5, 0.5]])


def test_cross_entropy_takes_class_indices_or_probabilities():
    logits = Tensor(np.random.default_rng(0).standard_normal((4, 3)))
    indices = np.array([0, 2, 1, 1])
    by_index = cross_entropy(logits, indices).item()
    by_probability = cross_entropy(logits, np.eye(3)[indices]).item()
    assert by_index == pytest.approx(by_probability, rel=1e-6)


def test_cross_entropy_takes_more_axes_with_the_classes_second():
    rng = np.random.default_rng(0)
    logits, labels = rng.standard_normal((2, 5, 3)), rng.integers(0, 5, (2, 3))
    got = cross_entropy(Tensor(logits), labels, reduction="none")
    assert got.shape == (2, 3)
    flat = Tensor(np.moveaxis(logits, 1, 2).reshape(6, 5))
    expected = cross_entropy(flat, labels.reshape(6), reduction="none")
    np.testing.assert_allclose(got.data.reshape(6), expected.data, rtol=1e-6)


def test_label_smoothing_gives_every_class_a_share():
    logits = Tensor(np.random.default_rng(0).standard_normal((4, 3)))
    target = np.array([0, 2, 1, 1])
    log_p = log_softmax(logits).data
    smooth = 0.9 * np.eye(3)[target] + 0.1 / 3
    expected = -(smooth * log_p).sum(axis=1).mean()
    assert CrossEntropyLoss(label_smoothing=0.1)(logits, Tensor(target)).item() == pytest.approx(
        expected
    )
    for wrong in (1.5, -0.5):
        with pytest.raises(ValueError, match=rf"label_smoothing is {wrong}"):
            CrossEntropyLoss(label_smoothing=wrong)


def test_complete_label_smoothing_wants_every_class_alike_whatever_the_target():
    logits = Tensor([[1.0, 2.0, 4.0]])
    losses = [CrossEntropyLoss(label_smoothing=1)(logits, Tensor([k])).item() for k in range(3)]
    expected = -log_softmax(logits).data.mean()
    assert losses == pytest.approx([expected] * 3)


def test_cross_entropy_reduces_like_the_other_losses():
    logits, target = Tensor([[1.0, 2.0], [0.0, 3.0]]), Tensor([0, 1])
    parts = CrossEntropyLoss(reduction="none")(logits, target)
    assert parts.shape == (2,)
    assert CrossEntropyLoss("sum")(logits, target).item() == pytest.approx(parts.data.sum())
    assert CrossEntropyLoss()(logits, target).item() == pytest.approx(parts.data.mean())


@pytest.mark.parametrize("loss", [MSELoss, BCELoss, BCEWithLogitsLoss])
def test_reductions_are_the_mean_the_sum_and_the_parts(loss):
    prediction, target = Tensor([0.2, 0.9]), Tensor([0.0, 1.0])
    parts = loss(reduction="none")(prediction, target)
    assert parts.shape == (2,)
    assert loss("sum")(prediction, target).item() == pytest.approx(parts.data.sum(), rel=1e-6)
    assert loss()(prediction, target).item() == pytest.approx(parts.data.mean(), rel=1e-6)
    with pytest.raises(ValueError, match="reduction is 'total'; it must be \"mean\""):
        loss("total")(prediction, target)


@pytest.mark.parametrize(
    ("loss", "name"),
    [
        (MSELoss(), "mse_loss"),
        (BCELoss(), "binary_cross_entropy"),
        (BCEWithLogitsLoss(), "binary_cross_entropy_with_logits"),
    ],
)
def test_shapes_that_would_broadcast_into_pairs_are_refused(loss, name):
    differ = r"predictions of shape \(3, 1\) and targets of shape \(3,\) differ"
    with pytest.raises(ShapeError, match=f"^{name}: {differ}"):
        loss(Tensor(np.full((3, 1), 0.5)), Tensor(np.zeros(3)))


def test_targets_that_do_not_fit_cross_entropy_are_explained():
    logits = Tensor(np.zeros((3, 4)))
    loss = CrossEntropyLoss()
    with pytest.raises(IndexError, match="run from 0 to 4, but there are 4 classes, 0 to 3"):
        loss(logits, Tensor([0, 4, 1]))
    with pytest.raises(IndexError, match="run from -1"):
        loss(logits, Tensor([0, -1, 1]))
    with pytest.raises(TypeError, match="class indices are integers, not float32"):
        loss(logits, Tensor([0.0, 1.0, 2.0]))
    with pytest.raises(ShapeError, match=r"need class indices of shape \(3,\)"):
        loss(logits, Tensor([[0], [1], [2]]))
    with pytest.raises(ShapeError, match=r"the target has shape .* and holds int64"):
        loss(logits, Tensor(np.eye(4, dtype=np.int64)[:3]))
    for shape, target in [((2,), 0), ((2,), [0, 0]), ((2, 0), [0, 0])]:
        with pytest.raises(ShapeError, match="logits of shape"):
            loss(Tensor(np.zeros(shape)), Tensor(target))


@pytest.mark.parametrize("kernels", ["plain", "fast"])
def test_class_indices_of_any_integer_type_are_taken(kernels):
    logits = Tensor([[1.0, 2.0], [0.0, 3.0]])
    expected = cross_entropy(logits, np.array([0, 1])).item()
    for dtype in (np.int8, np.int32, np.uint8, np.uint64):
        with use(kernels):
            assert cross_entropy(logits, np.array([0, 1], dtype)).item() == expected


def test_probabilities_outside_of_zero_to_one_are_refused_with_the_loss_to_use():
    for wrong in ([0.5, 1.5], [-0.5, 0.5]):
        with pytest.raises(ValueError, match="use binary_cross_entropy_with_logits"):
            BCELoss()(Tensor(wrong), Tensor([1.0, 1.0]))


def test_certainty_that_is_wrong_costs_a_hundred_and_stays_finite():
    p = Tensor([0.0, 1.0], requires_grad=True)
    loss = BCELoss("none")(p, Tensor([1.0, 0.0]))
    assert loss.tolist() == [100, 100]
    loss.sum().backward()
    assert np.isfinite(p.grad).all()


def test_logits_of_any_size_give_a_finite_loss_that_equals_the_composed_one():
    x = Tensor([-200.0, -3.0, 0.0, 3.0, 200.0], requires_grad=True)
    target = Tensor([1.0, 0.0, 1.0, 1.0, 0.0])
    loss = binary_cross_entropy_with_logits(x, target, reduction="none")
    np.testing.assert_allclose(loss.data[[0, 4]], [200, 200])
    composed = BCELoss("none")(sigmoid(x), target)
    np.testing.assert_allclose(loss.data[1:4], composed.data[1:4], rtol=1e-6)
    loss.sum().backward()
    np.testing.assert_allclose(x.grad, sigmoid(x).data - target.data)


def test_the_mean_loss_of_no_examples_has_a_gradient_without_a_warning_of_its_own():
    prediction = Tensor(np.zeros((0, 3)), requires_grad=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # NumPy's, of the mean itself
        loss = MSELoss()(prediction, Tensor(np.zeros((0, 3))))
    loss.backward()
    assert prediction.grad.shape == (0, 3)


def test_bce_is_linear_in_the_target_where_the_logarithm_stops() -> None:
    p = Tensor([0.0, 1.0, 0.5])
    y = Tensor([0.5, 0.5, 0.5], requires_grad=True)
    binary_cross_entropy(p, y, reduction="sum").backward()
    assert y.grad is not None
    at = [binary_cross_entropy(p, Tensor([v] * 3), reduction="none").data for v in (0.0, 1.0)]
    np.testing.assert_allclose(y.grad, at[1] - at[0], rtol=1e-6)


@pytest.mark.parametrize("loss", [MSELoss, CrossEntropyLoss, BCELoss, BCEWithLogitsLoss])
def test_a_reduction_that_there_is_not_is_refused_when_the_loss_is_made(loss):
    with pytest.raises(
        ValueError, match='reduction is \'avg\'; it must be "mean", "sum" or "none"'
    ):
        loss(reduction="avg")
    for reduction in ("mean", "sum", "none"):
        assert loss(reduction).reduction == reduction


@pytest.mark.parametrize("loss", [binary_cross_entropy, binary_cross_entropy_with_logits])
@pytest.mark.parametrize("target", [[-1.0, 1.0], [0.0, 2.0], [0.5, np.nan]])
def test_targets_that_are_no_probabilities_are_refused(loss, target):
    with pytest.raises(
        ValueError, match=rf"^{loss.name}: targets run from .* two classes; for more"
    ):
        loss(Tensor([0.25, 0.75]), Tensor(target))


@pytest.mark.parametrize("loss", [binary_cross_entropy, binary_cross_entropy_with_logits])
def test_targets_may_leave_the_unit_interval_by_rounding(loss):
    loss(Tensor([0.25, 0.75]), Tensor([-1e-6, 1 + 1e-6]))


@pytest.mark.parametrize(
    ("logits", "target", "words"),
    [
        ((4, 3), np.eye(4, 3, dtype=np.int64), "one-hot rows of integers, target.argmax(1), or"),
        ((2, 5, 7), np.zeros((2, 5), np.int64), "classes are axis 1: logits.permute(0, 2, 1)? For"),
        ((2, 5, 5, 7), np.zeros((2, 5, 5), np.int64), "axis 1: logits.permute(0, 3, 1, 2)?"),
        ((4, 1, 28, 10), np.zeros(4, np.int64), "logits with 4 axes: no Flatten before?"),
        ((4, 3), np.zeros((4, 1), np.int64), "and holds int64: target.reshape(-1)?"),
        ((4, 3), np.zeros(5, np.int64), "has shape (5,) and holds int64"),
        ((4, 3), np.array([0, 1, -100, 2]), "keep = target.data >= 0, then logits[keep], target["),
        ((2, 2), np.full((2, 2), 5.0), "targets run from 5 to 5, but probabilities lie in [0, 1];"),
        ((2, 2), np.full((2, 2), -1.0), "targets run from -1 to -1"),
    ],
)
def test_a_target_that_does_not_fit_is_told_with_what_to_write(logits, target, words):
    with pytest.raises((ValueError, IndexError), match=re.escape(words)):
        cross_entropy(Tensor(np.zeros(logits, np.float32)), Tensor(target))


def test_none_for_a_tensor_asks_for_the_missing_return():
    model = Sequential(Linear(3, 2), lambda x: None, Linear(2, 1))
    with pytest.raises(TypeError, match=r"linear: an operand is None, .* without a return\?"):
        model(Tensor(np.zeros((1, 3))))
