"""Fast kernels where they differ from plain definitions: layouts, blocks, edges of float32.

That each equals its plain definition on the cases of all operations is in test_operations.py;
here are the arrays large enough for the block loops.
"""

import numpy as np
import pytest

from tinytorch.core import activations
from tinytorch.core.context import use
from tinytorch.core.kernels.blocks import BLOCK, ONES, ZEROS, elements, ones, rows, scratch
from tinytorch.core.layers import linear
from tinytorch.core.losses import cross_entropy
from tinytorch.core.primitive import KERNELS
from tinytorch.core.tensor import Tensor

pytestmark = pytest.mark.once

FUNCTIONS = ["relu", "sigmoid", "gelu", "softmax", "log_softmax"]
SHAPES = [(BLOCK + 1,), (3, BLOCK), (700, 50), (2, 30, 17, 33), (BLOCK * 2 + 7, 1)]


def run(function, data, g, kernels, transposed=False):
    x = Tensor(data, requires_grad=True)
    with use(kernels):
        seen = x.transpose(0, -1) if transposed and x.ndim > 1 else x
        out = function(seen)
        out.backward(g.swapaxes(0, -1) if transposed and x.ndim > 1 else g)
    return out, x.grad


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_values_and_gradients_equal_the_plain_definition(name, shape, transposed):
    rng = np.random.default_rng(0)
    data, g = (rng.standard_normal(shape, dtype=np.float32) * 3 for _ in range(2))
    function = getattr(activations, name)
    fast, fast_grad = run(function, data, g, "fast", transposed)
    plain, plain_grad = run(function, data, g, "plain", transposed)
    np.testing.assert_allclose(fast.data, plain.data, rtol=2e-5, atol=2e-6)
    np.testing.assert_allclose(fast_grad, plain_grad, rtol=2e-5, atol=5e-5)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_kernel_really_runs_on_large_arrays(name):
    x = Tensor(np.ones((4, BLOCK), np.float32), requires_grad=True)
    assert getattr(activations, name)(x).node.kernel is not None


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_kernels_over_rows_run_for_the_last_axis_however_it_is_named_and_no_other(name):
    x = Tensor(np.ones((3, 20, BLOCK // 10), np.float32), requires_grad=True)
    function = getattr(activations, name)
    assert [function(x, axis=axis).node.kernel is not None for axis in (-1, 2, 0, 1, -2)] == [
        True,
        True,
        False,
        False,
        False,
    ]
    assert function(x).node.kernel is not None


@pytest.mark.parametrize("shape", [(4, 3), (4, 5, 3), (3,)])
def test_the_kernel_of_linear_runs_on_float32_of_any_number_of_axes_and_on_nothing_else(shape):
    def kernel_of(x_dtype, weight_dtype):
        x = Tensor(np.ones(shape), x_dtype, requires_grad=True)
        weight = Tensor(np.ones((3, 2)), weight_dtype)
        return linear(x, weight, None).node.kernel

    assert kernel_of(np.float32, np.float32) is KERNELS["linear"]["fast"]
    assert kernel_of(np.float64, np.float64) is None
    assert kernel_of(np.float32, np.float64) is None
    assert kernel_of(np.float64, np.float32) is None


def test_the_kernel_of_cross_entropy_runs_for_class_indices_of_float32_logits_and_nothing_else():
    def runs(logits=np.float32, labels=np.int64, **params):
        x = Tensor(np.zeros((3, 4)), logits, requires_grad=True)
        call = cross_entropy(x, np.array([0, 3, 1], labels), **params).node
        return call.kernel is KERNELS["cross_entropy"]["fast"]

    assert runs()
    assert runs(reduction="mean")
    assert runs(reduction="sum", label_smoothing=0.0)
    assert runs(labels=np.uint8)
    assert not runs(np.float64)
    assert not runs(reduction="none")
    assert not runs(label_smoothing=0.1)
    assert not runs(labels=np.int64, logits=np.float16)


def test_a_linear_layer_without_a_bias_operand_says_what_is_missing():
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'bias'"):
        linear(Tensor(np.ones((4, 3))), Tensor(np.ones((3, 2))))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_edges_of_float32_survive(name):
    data = np.zeros((2, BLOCK), np.float32)
    data[0, :6] = [1e4, -1e4, 88, -88, 103, -103]
    data[1, 0] = np.nan
    function = getattr(activations, name)
    fast, _ = run(function, data, np.ones_like(data), "fast")
    plain, _ = run(function, data, np.ones_like(data), "plain")
    np.testing.assert_allclose(fast.data[0], plain.data[0], rtol=1e-5, atol=1e-6)
    assert np.isnan(fast.data[1, 0])


@pytest.mark.parametrize("scale", [1, 50, 59.9, 60.1, 1000])
def test_softmax_is_right_on_both_sides_of_the_limit_below_which_it_does_not_shift(scale):
    rng = np.random.default_rng(0)
    data = rng.uniform(-scale, scale, (40, 1000)).astype(np.float32)
    wide = data.astype(np.float64)
    e = np.exp(wide - wide.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    got = activations.softmax(Tensor(data)).data
    np.testing.assert_allclose(got, p, rtol=1e-4, atol=1e-8)
    log_got = activations.log_softmax(Tensor(data)).data
    log_p = wide - wide.max(axis=1, keepdims=True) - np.log(e.sum(axis=1, keepdims=True))
    np.testing.assert_allclose(log_got, log_p, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("shift", [-1000, -100, -59, 59, 100, 1000])
@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_a_number_added_to_all_of_a_row_changes_nothing_however_large(name, shift):
    rng = np.random.default_rng(0)
    data = rng.integers(-8, 8, (40, 1000)).astype(np.float32) / 8  # so that sums are exact
    function = getattr(activations, name)
    plain = function(Tensor(data)).data
    np.testing.assert_allclose(function(Tensor(data + shift)).data, plain, rtol=1e-5)
    data[1::2] += shift  # beside rows that are not shifted
    np.testing.assert_allclose(function(Tensor(data)).data, plain, rtol=1e-5)


def test_a_channels_last_array_keeps_its_layout_through_elementwise_kernels():
    data = np.ones((4, 30, 40, 16), np.float32).transpose(0, 3, 1, 2)
    x = Tensor([0.0])
    x.data = data
    x._data = data  # as a convolution hands it on
    for name in ("relu", "sigmoid", "gelu"):
        assert getattr(activations, name)(x).data.strides == data.strides
    x._data = data[:, :, ::2]
    for name in ("relu", "sigmoid", "gelu"):
        out = getattr(activations, name)(x).data
        assert out.strides == np.empty_like(x.data).strides != np.empty(x.shape, "f4").strides


def test_the_kernel_of_relu_takes_a_single_block_too_and_keeps_its_layout():
    x = Tensor([0.0], requires_grad=True)
    x._data = np.ones((4, 10, 16, 8), np.float32).transpose(0, 3, 1, 2)
    out = activations.relu(x)
    assert out.node.kernel is not None
    assert out.data.strides == x.data.strides
    assert activations.relu(Tensor(np.ones(BLOCK), requires_grad=True)).node.kernel is not None


@pytest.mark.parametrize("step", [-1, 2, 40, -40])
def test_the_kernel_of_relu_takes_views_however_far_they_reach(step):
    whole = np.random.default_rng(0).standard_normal(2000 * abs(step), dtype=np.float32)
    x = Tensor([0.0])
    x._data = whole[::step]
    np.testing.assert_array_equal(activations.relu(x).data, np.maximum(x._data, 0))
    x._data = whole[:2000].reshape(40, 50).T
    np.testing.assert_array_equal(activations.relu(x).data, np.maximum(x._data, 0))


def test_what_a_kernel_saved_is_not_changed_by_its_backward():
    logits = Tensor(np.random.default_rng(0).standard_normal((6, 4)), requires_grad=True)
    loss = cross_entropy(logits, np.array([0, 1, 2, 3, 0, 1]))
    loss.backward(retain_graph=True)
    once = logits.grad.copy()
    loss.backward()
    np.testing.assert_allclose(logits.grad, 2 * once, rtol=1e-6)


def test_blocks_cover_every_element_once_in_step():
    a = np.arange(3 * BLOCK + 5, dtype=np.float32)
    b = a * 2
    seen = [part.copy() for part, double in elements(a, b) if (double == 2 * part).all()]
    np.testing.assert_array_equal(np.concatenate(seen), a)


def test_blocks_of_arrays_in_different_orders_line_up():
    a = np.arange(6 * BLOCK, dtype=np.float32).reshape(6, BLOCK)
    b = np.asfortranarray(a)
    assert all((x == y).all() for x, y in elements(a, b))
    assert all((x == y).all() for x, y in elements(b, a))


def test_rows_and_ones_are_what_they_say():
    assert rows(np.zeros((2, 3, 4))).shape == (6, 4)
    assert ones(5).tolist() == [1] * 5
    assert ones(3).tolist() == [1] * 3
    assert ones(BLOCK + 5).shape == (BLOCK + 5,)
    for shared in (ONES, ZEROS):
        with pytest.raises(ValueError, match="read-only"):
            shared[0] = 5


def test_scratch_is_the_same_memory_at_every_call_and_grows_when_it_must():
    first = scratch("test", 10)
    assert scratch("test", 20).shape == (20,)
    grown = scratch("test", 20)
    assert np.shares_memory(grown, scratch("test", 5))
    assert scratch("test", 5).shape == (5,)
    assert not np.shares_memory(grown, scratch("test too", 20))
    assert first.dtype == np.float32


@pytest.mark.parametrize("name", FUNCTIONS)
def test_other_types_and_plain_numbers_are_left_to_the_plain_definition(name):
    function = getattr(activations, name)
    for dtype in (np.float64, np.float16):
        out = function(Tensor(np.ones((3, BLOCK)), dtype, requires_grad=True))
        assert out.node.kernel is None
        assert out.dtype == dtype
    if "softmax" not in name:
        assert function(0.5).item() == pytest.approx(function(Tensor([0.5])).item())


def test_plain_indices_are_assigned_and_arrays_of_indices_are_added():
    x = Tensor(np.ones((4, 3)), requires_grad=True)
    for index in (
        2,
        slice(1, 3),
        (slice(None), 0),
        (..., 1),
        (None, 2),
        (slice(None, None, -1), 1),
    ):
        out = x[index]
        assert out.node.kernel is not None
        out.backward(np.full(out.shape, 2.0))
        expected = np.zeros((4, 3))
        expected[index] = 2
        np.testing.assert_array_equal(x.grad, expected)
        x.grad = None
    for index in ([0, 0], np.array([1, 1]), x.data > 0, (slice(None), [0, 0])):
        assert x[index].node.kernel is None
    x[[0, 0]].sum().backward()
    assert x.grad[0].tolist() == [2, 2, 2]
