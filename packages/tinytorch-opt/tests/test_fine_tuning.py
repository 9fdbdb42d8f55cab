"""Fine-tuning with rounding: its gradient, and that it mends what four bits broke."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinytorch.arch.convolutions import Conv2d
from tinytorch.arch.models import CifarCNN, LeNet5
from tinytorch.arch.trained import trained
from tinytorch.core.activations import ReLU
from tinytorch.core.layers import Linear, Module, Sequential
from tinytorch.core.losses import CrossEntropyLoss
from tinytorch.core.optimizers import Adam
from tinytorch.core.tensor import Tensor
from tinytorch.core.training import Trainer, evaluate
from tinytorch.data import DataLoader, TensorDataset
from tinytorch.datasets import MNIST, DrawnDigits, available
from tinytorch.opt.fine_tuning import Rounded, convert, fake_quantize, prepare
from tinytorch.opt.int4 import quantize_weights
from tinytorch.opt.quantization import Quantization, affine, quantize, state_bytes


def examples(seed: int, *shape: int) -> Any:
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


@given(st.integers(0, 2**32), st.integers(2, 8), st.floats(-3, 0), st.floats(0.1, 3))
@settings(deadline=None)
def test_it_rounds_as_there_and_back_does(seed: int, bits: int, low: float, high: float) -> None:
    x = examples(seed, 4, 5) * 3
    how = affine(low, high, bits=bits)
    found = fake_quantize(x, how.scale, how.zero_point, bits=bits).data
    np.testing.assert_array_equal(found, how.dequantize(how.quantize(x)))
    assert len(np.unique(found)) <= 2**bits


def test_the_gradient_passes_inside_of_the_range_and_stops_outside() -> None:
    # four bits, steps of 0.5 from -4 to 3.5; what rounds to the ends is inside
    x = Tensor([-9, -4.3, -4.2, -0.1, 0.3, 3.7, 3.8, 9], requires_grad=True)
    y = fake_quantize(x, np.float32(0.5), np.int8(0), bits=4)
    assert y.tolist() == [-4, -4, -4, 0, 0.5, 3.5, 3.5, 3.5]
    (y * np.arange(1, 9)).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [0, 0, 3, 4, 5, 6, 0, 0]


def test_the_gradient_is_what_finite_differences_see_over_whole_steps() -> None:
    # rounding moves with x step by step: over a whole step its mean slope is 1, outside 0
    how = Quantization(0.25, 3, bits=6)
    x = np.array([-20, -4.0, -1, 0.1, 2, 30], np.float32)
    step = 8 * how.scale
    up, down = (how.dequantize(how.quantize(x + s)) for s in (step / 2, -step / 2))
    t = Tensor(x, requires_grad=True)
    fake_quantize(t, how.scale, how.zero_point, bits=6).sum().backward()
    np.testing.assert_allclose(t.grad, (up - down) / step)


@pytest.mark.oracle
@pytest.mark.parametrize("bits", [8, 4])
def test_value_and_gradient_are_those_of_pytorch(bits: int) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(bits)
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    x, g = examples(1, 6, 4, 3) * 2, examples(2, 6, 4, 3)
    scales = rng.uniform(0.01, 0.3, 4).astype(np.float32)
    points = rng.integers(low // 2, high // 2, 4).astype(np.int8)
    for axis, scale, point in ((None, scales[0], points[0]), (1, scales, points)):
        mine = Tensor(x, requires_grad=True)
        y = fake_quantize(mine, scale, point, axis=axis, bits=bits)
        (y * g).sum().backward()
        theirs = torch.tensor(x, requires_grad=True)
        if axis is None:
            z = torch.fake_quantize_per_tensor_affine(theirs, float(scale), int(point), low, high)
        else:
            z = torch.fake_quantize_per_channel_affine(
                theirs, torch.tensor(scale), torch.tensor(point, dtype=torch.int32), axis, low, high
            )
        (z * torch.tensor(g)).sum().backward()
        np.testing.assert_allclose(y.data, z.detach().numpy(), rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(mine.grad, theirs.grad.numpy(), rtol=1e-6)


# Models
@pytest.mark.parametrize("bits", [8, 4])
@pytest.mark.parametrize("per_channel", [True, False])
def test_what_was_trained_is_what_runs_in_integers(bits: int, per_channel: bool) -> None:
    rng = np.random.default_rng(0)
    conv = Sequential(Conv2d(4, 6, 3, stride=2, padding=1, groups=2, rng=rng))
    for model, x in (
        (conv, examples(1, 8, 4, 9, 9)),
        (Sequential(Linear(20, 5, rng=rng)), examples(1, 8, 20)),
    ):
        rounded = prepare(model, [x], bits=bits, per_channel=per_channel)
        small = convert(rounded)
        state = small.state_dict()  # the bias is in steps of a product of two integers
        step = float(np.max(state["0.input_scale"] * state["0.weight_scale"]))
        exact = rounded(Tensor(x)).data
        np.testing.assert_allclose(exact, small(Tensor(x)).data, atol=0.51 * step)


@pytest.mark.parametrize("bits", [8, 4])
def test_without_training_it_becomes_what_quantize_makes(bits: int) -> None:
    model = CifarCNN(rng=np.random.default_rng(0))
    x = examples(1, 8, 3, 32, 32)
    small = convert(prepare(model, [x], bits=bits)).state_dict()
    directly = quantize(model, [x], bits=bits).state_dict()
    assert small.keys() == directly.keys()
    for name, array in directly.items():
        np.testing.assert_array_equal(array, small[name])


def test_four_bits_take_the_place_of_eight_and_the_help_says_so() -> None:
    model, x = Sequential(Linear(64, 64, rng=np.random.default_rng(0))), examples(1, 8, 64)
    four, eight = (state_bytes(convert(prepare(model, [x], bits=bits))) for bits in (4, 8))
    assert four == eight
    assert state_bytes(quantize_weights(model)) < 0.7 * four
    text = " ".join((convert.__doc__ or "").split())
    assert "a model of 4 bits is as large as one of 8" in text
    assert "`quantize_weights`" in text


def test_a_prepared_model_trains_its_own_parameters_and_no_scale() -> None:
    model = Sequential(Linear(4, 8, rng=np.random.default_rng(0)), ReLU(), Linear(8, 2))
    x = examples(0, 16, 4)
    rounded = prepare(model, [x], bits=4)
    assert rounded.num_parameters() == model.num_parameters()
    rounded(Tensor(x)).sum().backward()
    assert all(p.grad is not None for p in rounded.parameters())
    assert all(p.grad is None for p in model.parameters())
    assert [type(m) for m in rounded.layers] == [Rounded, ReLU, Rounded]
    with pytest.raises(ValueError, match="no layer is prepared"):
        convert(model)


def accuracy(model: Module, data: Any) -> float:
    return evaluate(model, CrossEntropyLoss(), DataLoader(data, 500))["accuracy"]


def mended(model: Module, train: Any, test: Any, bits: int, lr: float) -> tuple[float, ...]:
    """Accuracy before quantisation, after it, and after fine-tuning with it."""
    x, _ = train.get_batch(np.arange(256))
    lost = quantize(model, [x], bits=bits)
    rounded = prepare(model, [x], bits=bits)
    loader = DataLoader(train, 64, shuffle=True, rng=np.random.default_rng(0))
    optimizer = Adam(rounded.parameters(), lr=lr)
    Trainer(rounded, CrossEntropyLoss(), optimizer, progress=False).fit(loader, epochs=1)
    return tuple(accuracy(each, test) for each in (model, lost, convert(rounded)))


@pytest.mark.skipif(
    not (os.environ.get("TINYTORCH_DATA") and available("mnist")),
    reason="MNIST: TINYTORCH_DATA names no folder that holds it",
)
def test_fine_tuning_mends_what_few_bits_broke_on_mnist() -> None:
    train, test = MNIST("train"), MNIST("test")
    few = TensorDataset(*train.get_batch(np.arange(6000)))
    some = TensorDataset(*test.get_batch(np.arange(5000)))
    before, lost, again = mended(trained("lenet5"), few, some, 3, 2e-4)
    assert lost < before - 0.01
    assert again > (before + lost) / 2


def test_fine_tuning_mends_what_few_bits_broke_on_drawn_digits() -> None:
    train, test = DrawnDigits("train", 1500), DrawnDigits("test", 1000)
    model = LeNet5(rng=np.random.default_rng(0))
    loader = DataLoader(train, 64, shuffle=True, rng=np.random.default_rng(0))
    optimizer = Adam(model.parameters(), lr=3e-3)
    Trainer(model, CrossEntropyLoss(), optimizer, progress=False).fit(loader, epochs=3)
    before, lost, again = mended(model, train, test, 2, 1e-3)
    assert lost < before - 0.01
    assert again > (lost + before) / 2
