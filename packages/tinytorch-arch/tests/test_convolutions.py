"""Module 09: layers, errors and states, and fast forms on shapes that hypothesis draws.

Values and gradients of the operations on written cases are in `test_arch_operations.py`.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tinytorch.arch.convolutions import (
    AvgPool2d,
    Conv2d,
    Flatten,
    MaxPool2d,
    avg_pool2d,
    conv2d,
    max_pool2d,
)
from tinytorch.arch.exhibits import conv2d_by_columns, conv2d_by_loops
from tinytorch.arch.kernels import batch_norm2d as norm_kernel
from tinytorch.arch.kernels import conv2d_depthwise, conv2d_rows, frames, pool2d
from tinytorch.arch.ops.images import (
    AdaptiveAvgPool2d,
    Dropout2d,
    adaptive_avg_pool2d,
    kaiming_normal,
)
from tinytorch.arch.ops.normalization import BatchNorm2d, batch_norm2d, batch_norm2d_eval
from tinytorch.core.context import listening, use
from tinytorch.core.errors import ShapeError
from tinytorch.core.primitive import LARGE, wrap
from tinytorch.core.serialization import load, save
from tinytorch.core.tensor import Tensor
from tinytorch.core.thrift import READS

pytestmark = pytest.mark.once


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


# The exhibits
@pytest.mark.parametrize(("stride", "padding"), [(1, 0), (2, 1), ((1, 2), (2, 0)), (1, "same")])
def test_loops_columns_and_shifts_are_one_convolution(stride: Any, padding: Any) -> None:
    x, weight, bias = noise(2, 3, 6, 5), noise(4, 3, 3, 2, seed=1), noise(4, seed=2)
    params = {"stride": stride, "padding": padding}
    expected = conv2d_by_loops(x, weight, bias, **params)
    columns = conv2d_by_columns(x, weight, bias, **params)
    np.testing.assert_allclose(columns, expected, 1e-5, 1e-5)
    for kernels in ("plain", "fast"):
        with use(kernels):
            y = conv2d(Tensor(x), Tensor(weight), Tensor(bias), **params)
        np.testing.assert_allclose(y.data, expected, 1e-5, 1e-5)


# Fast forms on any shape
sizes = st.integers(1, 9)
LAYOUTS = [
    np.ascontiguousarray,
    lambda x: np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2),
    lambda x: np.ascontiguousarray(x.transpose(2, 1, 3, 0)).transpose(3, 1, 0, 2),
    lambda x: np.repeat(x, 2, axis=3)[:, :, :, ::2],
    lambda x: x[:, :, ::-1][:, :, ::-1],
]


@st.composite
def convolutions(draw: Any) -> tuple[list[np.ndarray], dict[str, Any]]:
    """Operands and parameters of a convolution, with more than a chunk of channels at times."""
    count, height, width = draw(st.integers(1, 5)), draw(sizes), draw(sizes)
    kernel = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    dilation = draw(st.integers(1, 2)), draw(st.integers(1, 3))
    channels = draw(st.sampled_from([1, 2, 3, 6, 12, 30, 48]))
    groups = draw(st.sampled_from([1, 1, 1, *(n for n in (2, 3, 6, 12) if channels % n == 0)]))
    groups = draw(st.sampled_from([groups, groups, channels]))
    outputs = groups * draw(st.integers(1, 5 if groups == 1 else 2))
    stride = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    padding = draw(st.sampled_from(["same", "valid", None]))
    if padding is None:
        padding = draw(st.integers(0, 4)), draw(st.integers(0, 4))
    if padding == "same":
        stride = 1, 1
    margins = (0, 0) if padding == "valid" else padding
    for n, k, d, m in (
        zip((height, width), kernel, dilation, margins, strict=True) if padding != "same" else ()
    ):
        assume((k - 1) * d + 1 <= n + 2 * m)
    seed = draw(st.integers(0, 1000))
    x = draw(st.sampled_from(LAYOUTS))(noise(count, channels, height, width, seed=seed))
    weight = noise(outputs, channels // groups, *kernel, seed=seed + 1)
    bias = noise(outputs, seed=seed + 2) if draw(st.booleans()) else None
    params = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    return [x, weight, bias], params


def both_ways(operation: Any, arrays: list[Any], params: dict[str, Any], g_layout: Any) -> None:
    """Assert that plain and fast give the same values and gradients."""
    answers = []
    for kernels in ("plain", "fast"):
        tensors = [x if x is None else wrap(x, None) for x in arrays]
        for tensor in tensors:
            if tensor is not None:
                tensor.requires_grad = True
        with use(kernels):
            out = operation(*tensors, **params)
            outputs = out if isinstance(out, tuple) else (out,)
            g = g_layout(noise(*outputs[0].shape, seed=7))
            outputs[0].backward(g)
        grads = [tensor.grad for tensor in tensors if tensor is not None]
        answers.append([o.data for o in outputs] + grads)
    for plain, fast in zip(*answers, strict=True):
        largest = float(np.abs(plain).max(initial=1))
        np.testing.assert_allclose(fast, plain, rtol=2e-5, atol=1e-5 * largest)


@settings(deadline=None, max_examples=150)
@given(convolutions(), st.sampled_from(LAYOUTS))
def test_a_convolution_is_the_same_by_every_form(case: Any, g_layout: Any) -> None:
    arrays, params = case
    both_ways(conv2d, arrays, params, g_layout)


@settings(deadline=None, max_examples=100)
@given(
    st.tuples(st.integers(1, 4), st.integers(1, 20), sizes, sizes),
    st.tuples(st.integers(1, 4), st.integers(1, 4)),
    st.tuples(st.integers(1, 4), st.integers(1, 4)),
    st.tuples(st.integers(0, 2), st.integers(0, 2)),
    st.sampled_from(LAYOUTS),
    st.sampled_from(LAYOUTS),
    st.sampled_from([max_pool2d, avg_pool2d]),
    st.booleans(),
)
def test_a_pooling_is_the_same_by_every_form(
    shape: Any, kernel: Any, stride: Any, padding: Any, layout: Any, g_layout: Any, pool: Any,
    ties: bool,
) -> None:  # fmt: skip
    assume(all(2 * p <= k <= n + 2 * p for n, k, p in zip(shape[2:], kernel, padding, strict=True)))
    x = noise(*shape)
    x = np.round(x) if ties else x
    params = {"kernel_size": kernel, "stride": stride, "padding": padding}
    both_ways(pool, [layout(x)], params, g_layout)


@settings(deadline=None, max_examples=60)
@given(
    st.tuples(st.integers(2, 5), st.integers(1, 40), sizes, sizes),
    st.booleans(),
    st.booleans(),
    st.floats(-3, 3),
    st.sampled_from(LAYOUTS),
    st.sampled_from(LAYOUTS),
)
def test_a_normalisation_is_the_same_by_every_form(
    shape: Any, weighted: bool, biased: bool, offset: float, layout: Any, g_layout: Any
) -> None:
    x = layout(noise(*shape) + np.float32(offset))
    channels = [
        noise(shape[1], seed=i) if there else None for i, there in ((1, weighted), (2, biased))
    ]
    both_ways(batch_norm2d, [x, *channels], {"eps": 0.1}, g_layout)
    given_ones = [noise(shape[1], seed=3), np.abs(noise(shape[1], seed=4))]
    both_ways(batch_norm2d_eval, [x, *channels, *given_ones], {"eps": 0.1}, g_layout)
    both_ways(adaptive_avg_pool2d, [x], {"output_size": 1}, g_layout)


@pytest.mark.parametrize(
    ("channels", "outputs", "params"),
    [
        (12, 5, {"padding": 1}),
        (12, 5, {"stride": 2, "padding": 1}),
        (12, 12, {"groups": 12, "padding": 1}),
        (12, 12, {"groups": 12, "stride": 2}),
        (12, 24, {"groups": 12, "padding": 1}),  # all of them joined
        (48, 24, {"groups": 12, "padding": 1}),  # joined by fours
        (48, 6, {"groups": 2, "stride": 2}),
        (2, 5, {"padding": 1}),
    ],
)
def test_chunks_of_images_add_up(
    channels: int, outputs: int, params: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (conv2d_depthwise, conv2d_rows, pool2d):
        monkeypatch.setattr(module, "CHUNK", 6000)  # two or three of seven images
    monkeypatch.setattr(norm_kernel, "BLOCK", 300)
    x = noise(7, channels, 8, 9)
    weight = noise(outputs, channels // params.get("groups", 1), 3, 3, seed=1)
    both_ways(conv2d, [x, weight, noise(outputs, seed=2)], params, np.asarray)
    for pool in (max_pool2d, avg_pool2d):
        both_ways(pool, [x], {"kernel_size": 3, "stride": 2, "padding": 1}, np.asarray)
    both_ways(batch_norm2d, [x, noise(channels), noise(channels)], {}, np.asarray)


@pytest.mark.parametrize("groups", [1, 2, 4, 8])
def test_every_number_of_groups_has_a_fast_form(groups: int) -> None:
    weight = Tensor(noise(8, 8 // groups, 3, 3), requires_grad=True)
    node = conv2d(noise(2, 8, 5, 5), weight, None, groups=groups).node
    assert node is not None
    assert node.kernel is not None


def test_threads_do_not_share_the_buffers_of_convolutions() -> None:
    x, weight = noise(8, 16, 20, 20), noise(16, 16, 3, 3, seed=1)
    params = {"padding": 1}
    images = [x + np.float32(i) for i in range(4)]
    alone = [conv2d(Tensor(image), Tensor(weight), None, **params).data for image in images]
    together: dict[int, list[np.ndarray]] = {}

    def work(i: int) -> None:
        image, filters = Tensor(images[i]), Tensor(weight)
        together[i] = [conv2d(image, filters, None, **params).data for _ in range(10)]

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i, expected in enumerate(alone):
        for got in together[i]:
            np.testing.assert_array_equal(got, expected)


def test_a_convolution_hands_its_channels_on_side_by_side() -> None:
    y = conv2d(Tensor(noise(8, 16, 8, 8)), Tensor(noise(16, 16, 3, 3)), None, padding=1)
    assert y.data.transpose(0, 2, 3, 1).flags.c_contiguous
    pooled = max_pool2d(y, kernel_size=2)
    assert pooled.data.transpose(0, 2, 3, 1).flags.c_contiguous


def test_a_convolution_makes_no_copy_as_large_as_its_columns() -> None:
    import tracemalloc

    x, weight = Tensor(noise(64, 16, 32, 32)), Tensor(noise(16, 16, 3, 3))
    conv2d(x, weight, None, padding=1)  # the buffers are made once
    tracemalloc.start()
    y = conv2d(x, weight, None, padding=1)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1.2 * y.nbytes  # columns would be nine times as large


@pytest.mark.parametrize("name", sorted(name for name in READS if "2d" in name))
def test_what_a_record_lets_go_changes_no_gradient(name: str) -> None:
    operations = {
        "conv2d": lambda x, w, b: conv2d(x, w, b, padding=1),
        "max_pool2d": lambda x, w, b: max_pool2d(x, kernel_size=2),
        "avg_pool2d": lambda x, w, b: avg_pool2d(x, kernel_size=2),
        "adaptive_avg_pool2d": lambda x, w, b: adaptive_avg_pool2d(x, output_size=8),
        "batch_norm2d": lambda x, w, b: batch_norm2d(x, b, b)[0],
        "batch_norm2d_eval": lambda x, w, b: batch_norm2d_eval(x, b, b, b, b * b),
    }

    def gradients() -> list[Any]:
        arrays = noise(16, 16, 16, 16), noise(16, 16, 3, 3, seed=1), noise(16, seed=2)
        leaves = [Tensor(array, requires_grad=True) for array in arrays]
        x, w, b = (leaf * 0.5 for leaf in leaves)  # none is a leaf, and none is small
        y = operations[name](x, w, b)
        assert y.nbytes >= LARGE
        (y * y).sum().backward()
        return [leaf.grad for leaf in leaves]

    thrifty = gradients()
    with listening(lambda event: None):  # everything stays
        whole = gradients()
    for one, other in zip(thrifty, whole, strict=True):
        assert (one is None) == (other is None)
        if one is not None:
            np.testing.assert_allclose(one, other, 1e-5, 1e-5)


def test_a_block_keeps_one_array_for_the_convolution_and_one_for_what_comes_after() -> None:
    x, weight = Tensor(noise(16, 16, 32, 32)), Tensor(noise(16, 16, 3, 3), requires_grad=True)
    y = conv2d(x, weight, None, padding=1)
    assert y.node is not None
    assert y.node.out.strides == (0, 0, 0, 0)  # a stand-in: whoever wants y has it


def test_large_images_leave_no_buffers_behind_and_come_out_right(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(frames, "LARGE", 0)
    monkeypatch.setattr(frames, "_threads", threading.local())
    for channels in (2, 12):
        operands = [noise(5, channels, 8, 9), noise(6, channels, 3, 3, seed=1), None]
        both_ways(conv2d, operands, {"padding": 1}, np.asarray)
    assert frames._threads.__dict__ == {"frames": {}, "planes": {}}


# What does not fit
X = Tensor(noise(2, 3, 5, 6))


def call(**changes: Any) -> Any:
    weight = Tensor(noise(*changes.pop("weight", (4, 3, 3, 3))))
    x = Tensor(noise(*changes.pop("x", (2, 3, 5, 6))))
    bias = changes.pop("bias", None)
    return conv2d(x, weight, None if bias is None else Tensor(noise(*bias)), **changes)


@pytest.mark.parametrize("kernels", ["plain", "fast"])
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"weight": (4, 5, 3, 3)}, r"x \(2, 3, 5, 6\) has 3 channels.*is for 5"),
        ({"x": (2, 5, 6, 3)}, r"has 5 channels.*is for 3; are the channels of x last\?"),
        ({"x": (3, 5, 6)}, r"must be \(N, C, H, W\).*x.expand_dims\(0\)\?"),
        ({"weight": (4, 3, 3)}, r"weight \(4, 3, 3\) \(O, C/groups, kh, kw\)"),
        ({"weight": (4, 3, 7, 3)}, r"reaches over \(7, 3\).*\(5, 6\) with padding \(0, 0\)"),
        ({"dilation": 3}, r"reaches over \(7, 7\)"),
        ({"groups": 2}, r"groups=2 must divide the 3 channels"),
        ({"groups": 3, "weight": (4, 1, 3, 3)}, r"groups=3 must divide .* the 4 of weight"),
        ({"groups": 0}, r"groups=0"),
        ({"bias": (3,)}, r"bias \(3,\) must be \(4,\)"),
        ({"stride": 0}, r"stride \(0, 0\).*at least 1"),
        ({"padding": -1}, r"padding \(-1, -1\) at least 0"),
        ({"padding": "same", "stride": 2}, "stride must be 1"),
        ({"stride": (1, 2, 3)}, r"a pair of them \(rows, columns\), not \(1, 2, 3\)"),
        ({"stride": 1.5}, "a size is an integer or a pair .* not 1.5"),
        ({"padding": "full"}, "a size is an integer or a pair .* not 'full'"),
    ],
)
def test_operands_that_do_not_fit_are_refused_with_their_shapes(
    changes: dict[str, Any], words: str, kernels: str
) -> None:
    with use(kernels), pytest.raises(ValueError, match=words):
        call(**dict(changes))


@pytest.mark.parametrize("kernels", ["plain", "fast"])
def test_operands_that_are_missing_or_mere_numbers_are_refused(kernels: str) -> None:
    weight = Tensor(noise(4, 3, 3, 3))
    with use(kernels):
        with pytest.raises(TypeError, match=r"conv2d\(\) missing 1 required .* 'bias'"):
            conv2d(X, weight)
        with pytest.raises(ShapeError, match=r"bias \(\) must be \(4,\)"):
            conv2d(X, weight, 1.0)
        with pytest.raises(TypeError, match=r"batch_norm2d\(\) missing 2 required"):
            batch_norm2d(X)
        with pytest.raises(ShapeError, match=r"have shape \(\)"):
            batch_norm2d(X, 1.0, None)


def test_a_list_serves_as_a_pair() -> None:
    np.testing.assert_allclose(call(stride=[2, 1]).data, call(stride=(2, 1)).data, 1e-5, 1e-6)
    y = max_pool2d(X, kernel_size=[2, 3])
    np.testing.assert_array_equal(y.data, max_pool2d(X, kernel_size=(2, 3)).data)


@pytest.mark.parametrize("kernels", ["plain", "fast"])
@pytest.mark.parametrize("pool", [max_pool2d, avg_pool2d])
def test_poolings_that_do_not_fit_are_refused(pool: Any, kernels: str) -> None:
    name = pool.name
    with use(kernels):
        with pytest.raises(ShapeError, match=f"{name}: a kernel that reaches over"):
            pool(X, kernel_size=7)
        with pytest.raises(ShapeError, match=rf"{name}: x \(3, 4\) must be"):
            pool(Tensor(noise(3, 4)), kernel_size=2)
        with pytest.raises(ValueError, match=r"padding \(2, 2\) is more than half of kernel"):
            pool(X, kernel_size=3, padding=2)


def test_batch_norm_says_what_does_not_fit() -> None:
    with pytest.raises(ShapeError, match=r"must be \(N, C, H, W\)"):
        BatchNorm2d(3)(Tensor(noise(2, 3)))
    for mode in (True, False):
        with pytest.raises(ShapeError, match=r"has 4 channels, but .* shape \(3,\)"):
            BatchNorm2d(3).train(mode)(Tensor(noise(2, 4, 2, 2)))
        with pytest.raises(ShapeError, match=r"has 4 channels"):
            BatchNorm2d(3, affine=False).train(mode)(Tensor(noise(2, 4, 2, 2)))
    with pytest.raises(ValueError, match=r"1 value a channel.*model.eval\(\)"):
        BatchNorm2d(3)(Tensor(noise(1, 3, 1, 1)))


def test_layers_refuse_sizes_when_they_are_made() -> None:
    with pytest.raises(ValueError, match="groups=2 must divide both"):
        Conv2d(3, 4, 3, groups=2)
    with pytest.raises(ValueError, match="must be at least 1"):
        Conv2d(3, 4, 0)
    with pytest.raises(ValueError, match="stride must be 1"):
        Conv2d(3, 4, 3, stride=2, padding="same")
    with pytest.raises(ValueError, match=r"MaxPool2d: .*at least 1"):
        MaxPool2d(2, stride=0)
    with pytest.raises(ValueError, match="more than half"):
        AvgPool2d(2, padding=2)
    with pytest.raises(ValueError, match="at least 1 channel"):
        BatchNorm2d(0)


# Layers
def test_conv2d_starts_within_the_bounds_of_pytorch_and_fills_them() -> None:
    layer = Conv2d(8, 16, (3, 5), groups=2, rng=np.random.default_rng(0))
    bound = 1 / np.sqrt(4 * 3 * 5)
    assert layer.bias is not None
    for values in (layer.weight.data, layer.bias.data):
        assert np.abs(values).max() <= bound
    assert np.abs(layer.weight.data).max() > 0.98 * bound
    assert layer.weight.data.std() == pytest.approx(bound / np.sqrt(3), rel=0.05)


def test_kaiming_normal_keeps_the_variance_through_relu() -> None:
    rng = np.random.default_rng(0)
    weight = kaiming_normal((256, 32, 3, 3), rng=rng)
    assert weight.requires_grad
    assert weight.data.std() == pytest.approx(np.sqrt(2 / (32 * 9)), rel=0.02)
    x = np.maximum(rng.standard_normal((4, 32, 10, 10)), 0) * np.sqrt(2)  # mean square 1
    y = conv2d(Tensor(x), weight, None)
    assert y.data.var() == pytest.approx(2, rel=0.05)
    assert kaiming_normal((10, 50), fan_in=2).data.std() == pytest.approx(1, rel=0.1)


def test_the_running_statistics_are_an_average_over_batches() -> None:
    layer = BatchNorm2d(2, momentum=0.25)
    first, second = noise(4, 2, 3, 3) * 2 + 5, noise(4, 2, 3, 3, seed=1)
    layer(Tensor(first))
    layer(Tensor(second))
    mean, var = np.zeros(2), np.ones(2)
    for x in (first, second):
        mean = 0.75 * mean + 0.25 * x.mean((0, 2, 3))
        var = 0.75 * var + 0.25 * x.var((0, 2, 3), ddof=1)
    np.testing.assert_allclose(layer.running_mean.data, mean, rtol=1e-5)
    np.testing.assert_allclose(layer.running_var.data, var, rtol=1e-5)
    assert layer.num_batches_tracked.item() == 2


def test_without_momentum_all_batches_count_alike() -> None:
    layer = BatchNorm2d(2, momentum=None)
    batches = [noise(4, 2, 3, 3, seed=i) for i in range(3)]
    for x in batches:
        layer(Tensor(x))
    mean = np.mean([x.mean((0, 2, 3)) for x in batches], axis=0)
    np.testing.assert_allclose(layer.running_mean.data, mean, rtol=1e-4, atol=1e-6)


def test_evaluation_uses_the_running_statistics_and_leaves_them_alone() -> None:
    layer = BatchNorm2d(2)
    layer(Tensor(noise(4, 2, 3, 3) + 3))
    before = layer.state_dict()
    layer.eval()
    one = layer(Tensor(noise(1, 2, 1, 1)))  # a single value a channel will do here
    expected = (noise(1, 2, 1, 1) - before["running_mean"][:, None, None]) / np.sqrt(
        before["running_var"][:, None, None] + 1e-5
    )
    np.testing.assert_allclose(one.data, expected, rtol=1e-5)
    for name, values in layer.state_dict().items():
        np.testing.assert_array_equal(values, before[name])


def test_the_statistics_are_saved_with_the_model_and_are_no_parameters(tmp_path: Any) -> None:
    layer = BatchNorm2d(2)
    layer(Tensor(noise(4, 2, 3, 3) + 3))
    assert [name for name, _ in layer.named_parameters()] == ["weight", "bias"]
    save(layer.state_dict(), tmp_path / "norm.safetensors")
    again = BatchNorm2d(2)
    again.load_state_dict(load(tmp_path / "norm.safetensors"))
    assert again.num_batches_tracked.item() == 1
    np.testing.assert_array_equal(again.running_var.data, layer.running_var.data)


def test_flatten_reads_images_row_by_row_whatever_their_layout() -> None:
    x = noise(2, 3, 4, 5)
    last = np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(Flatten()(wrap(last, None)).data, x.reshape(2, 60))
    assert Flatten(0, 1)(Tensor(x)).shape == (6, 4, 5)


def test_dropout2d_drops_whole_channels_and_keeps_the_mean() -> None:
    layer = Dropout2d(0.25, rng=np.random.default_rng(0))
    y = layer(Tensor(np.ones((100, 20, 3, 4), np.float32))).data
    assert np.isin(y, [0, np.float32(1 / 0.75)]).all()
    assert (y == y[:, :, :1, :1]).all()
    assert y.mean() == pytest.approx(1, abs=0.05)
    x = Tensor(noise(2, 3, 4, 4))
    assert layer.eval()(x) is x
    with pytest.raises(ShapeError, match="Dropout2d"):
        layer(Tensor(noise(2, 3)))


def test_adaptive_pooling_says_what_it_cannot_do() -> None:
    with pytest.raises(ShapeError, match=r"x \(2, 3\) must be"):
        adaptive_avg_pool2d(Tensor(noise(2, 3)), output_size=1)
    with pytest.raises(ValueError, match="at least 1"):
        AdaptiveAvgPool2d(0)(X)
    assert AdaptiveAvgPool2d((None, 2))(X).shape == (2, 3, 5, 2)


def test_layers_say_what_they_are() -> None:
    assert repr(Conv2d(3, 8, 3)) == "Conv2d(3, 8, kernel_size=(3, 3))"
    shown = repr(Conv2d(4, 8, 3, stride=2, padding="valid", groups=2, bias=False))
    assert shown == (
        "Conv2d(4, 8, kernel_size=(3, 3), stride=(2, 2), padding='valid', groups=2, bias=False)"
    )
    assert repr(MaxPool2d(2)) == "MaxPool2d(kernel_size=(2, 2), stride=(2, 2), padding=(0, 0))"
    assert repr(BatchNorm2d(4)) == "BatchNorm2d(4, eps=1e-05, momentum=0.1)"
    assert repr(AdaptiveAvgPool2d(1)) == "AdaptiveAvgPool2d(output_size=1)"


# With PyTorch
@pytest.mark.oracle
def test_weights_that_pytorch_saved_load_by_name_and_give_its_results() -> None:
    import torch

    from tinytorch.core.activations import ReLU
    from tinytorch.core.layers import Sequential

    nn = torch.nn
    torch.manual_seed(0)
    theirs = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding="same", bias=False), nn.BatchNorm2d(8), nn.ReLU(),
        nn.MaxPool2d(2), nn.Conv2d(8, 8, 3, 2, 1, groups=8),
        nn.BatchNorm2d(8, momentum=None), nn.ReLU(), nn.AvgPool2d(3, 1, 1),
        nn.Conv2d(8, 6, (1, 3), dilation=2), nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    )  # fmt: skip
    ours = Sequential(
        Conv2d(3, 8, 3, padding="same", bias=False), BatchNorm2d(8), ReLU(), MaxPool2d(2),
        Conv2d(8, 8, 3, 2, 1, groups=8), BatchNorm2d(8, momentum=None), ReLU(),
        AvgPool2d(3, 1, 1), Conv2d(8, 6, (1, 3), dilation=2), AdaptiveAvgPool2d(1), Flatten(),
    )  # fmt: skip
    for seed in range(3):
        theirs(torch.tensor(noise(4, 3, 20, 22, seed=seed)))  # moves the running statistics
    state = {name: value.numpy() for name, value in theirs.state_dict().items()}
    assert set(ours.state_dict()) == set(state)
    ours.load_state_dict(state)
    for mode in (False, True, False):
        x = noise(4, 3, 20, 22, seed=9)
        expected = theirs.train(mode)(torch.tensor(x)).detach().numpy()
        got = ours.train(mode)(Tensor(x)).data
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)
    for name, value in theirs.state_dict().items():  # the pass in training moved them alike
        np.testing.assert_allclose(ours.state_dict()[name], value.numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.oracle
def test_the_defaults_are_those_of_pytorch() -> None:
    import inspect

    import torch

    pairs = [(Conv2d, torch.nn.Conv2d), (BatchNorm2d, torch.nn.BatchNorm2d),
             (MaxPool2d, torch.nn.MaxPool2d), (AvgPool2d, torch.nn.AvgPool2d),
             (Flatten, torch.nn.Flatten), (Dropout2d, torch.nn.Dropout2d),
             (AdaptiveAvgPool2d, torch.nn.AdaptiveAvgPool2d)]  # fmt: skip
    for ours, theirs in pairs:
        known = inspect.signature(theirs.__init__).parameters
        for name, parameter in inspect.signature(ours.__init__).parameters.items():
            if name not in ("self", "rng"):
                assert parameter.default == known[name].default, f"{ours.__name__}({name})"
