"""Quantisation: rounding, exact sums, layers that keep int8, and models that stay as good."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinytorch
from tinytorch.arch.convolutions import Conv2d, Flatten, conv2d
from tinytorch.arch.models import DSCNN, AutoEncoder, CharGPT, CifarCNN, LeNet5, ResNet8
from tinytorch.core.activations import ReLU
from tinytorch.core.context import listening
from tinytorch.core.errors import ShapeError
from tinytorch.core.layers import Linear, Module, Sequential
from tinytorch.core.serialization import read
from tinytorch.core.tensor import Tensor
from tinytorch.opt.calibration import Entropy, Percentile
from tinytorch.opt.costs import cost_of
from tinytorch.opt.quantization import (
    Quantization,
    QuantizedConv2d,
    QuantizedLinear,
    affine,
    conv2d_int8,
    dequantize_linear,
    linear_int8,
    quantize,
    quantize_linear,
    state_bytes,
    symmetric,
)
from tinytorch.opt.quantized_files import load_quantized, save_quantized

numbers = st.floats(-1e6, 1e6, allow_nan=False, width=32)


def examples(seed: int, *shape: int) -> Any:
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


# Rounding
def test_halves_are_rounded_to_the_even_integer_and_what_is_outside_to_the_end() -> None:
    x = np.array([0.5, 1.5, 2.5, -0.5, -1.5, 126.5, 127.5, 1e9, -1e9, np.inf, -np.inf], np.float32)
    q = quantize_linear(x, np.float32(1), np.int8(0))
    assert q.data.dtype == np.int8
    assert q.data.tolist() == [0, 2, 2, 0, -2, 126, 127, 127, -128, 127, -128]


def test_rounding_is_that_of_the_onnx_standard() -> None:
    # the examples of QuantizeLinear in onnx's operator tests (test_quantizelinear and _axis), whose
    # zero points of uint8 are 128 less in int8: x (6,), scale 2, zero point 128 -> 0
    x = np.array([0, 2, 3, 1000, -254, -1000], np.float32)
    q = quantize_linear(x, np.float32(2), np.int8(0)).data
    assert (q.astype(int) + 128).tolist() == [128, 129, 130, 255, 1, 0]
    x = np.array([[[-162, 10], [-100, 232], [-20, -50]], [[-76, 0], [0, 252], [32, -44]]])
    scale, zero_point = np.array([2, 4], np.float32), np.array([84 - 128, 24 - 128], np.int8)
    q = quantize_linear(x.astype(np.float32), scale, zero_point, axis=0).data.astype(int) + 128
    assert q.tolist() == [[[3, 89], [34, 200], [74, 59]], [[5, 24], [24, 87], [32, 13]]]


@pytest.mark.oracle
def test_every_step_is_that_of_onnx() -> None:
    onnx = pytest.importorskip("onnx")
    from onnx import helper, reference

    def ask(kind: str, *operands: Any, **attributes: Any) -> Any:
        names = [f"x{i}" for i in range(len(operands))]
        node = helper.make_node(kind, names, ["y"], **attributes)
        types = [
            helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(x.dtype), x.shape)
            for n, x in zip(names, operands, strict=True)
        ]
        out = helper.make_empty_tensor_value_info("y")
        model = helper.make_model(
            helper.make_graph([node], "one", types, [out]),
            opset_imports=[helper.make_opsetid("", 19)],
        )
        given = dict(zip(names, operands, strict=True))
        return reference.ReferenceEvaluator(model).run(None, given)[0]

    assert onnx.__version__
    rng = np.random.default_rng(0)
    x = (rng.standard_normal((5, 4, 6, 6)) * 40).astype(np.float32)
    x[0, 0, 0] = [0.5, 1.5, 2.5, -0.5, -1.5, 1000]  # halves, where scale is 1
    scale, point = np.array([1, 0.5, 0.3, 2], np.float32), np.array([0, -128, 127, 9], np.int8)
    q = quantize_linear(x, scale, point, axis=1).data
    np.testing.assert_array_equal(q, ask("QuantizeLinear", x, scale, point, axis=1))
    real = dequantize_linear(q, scale, point, axis=1).data
    np.testing.assert_array_equal(real, ask("DequantizeLinear", q, scale, point, axis=1))
    weight = rng.integers(-127, 128, (8, 2, 3, 3), np.int8)
    # the reference forms products of unsigned inputs, as x86 does: 128 more on both sides
    unsigned = (q.astype(np.int16) + 128).astype(np.uint8)
    total = conv2d_int8(q, weight, None, point[3], stride=2, padding=1, groups=2).data
    how: Any = {"strides": [2, 2], "pads": [1, 1, 1, 1], "group": 2}
    shifted = np.array(int(point[3]) + 128, np.uint8)
    theirs = ask("ConvInteger", unsigned, weight, shifted, **how)
    np.testing.assert_array_equal(total, theirs)
    rows, columns = q.reshape(5, -1)[:, :20], rng.integers(-128, 128, (20, 3), np.int8)
    total = linear_int8(rows, columns, None, point[3]).data
    theirs = ask("MatMulInteger", rows, columns, point[3:4].reshape(()))
    np.testing.assert_array_equal(total, theirs)


def test_integers_stand_for_scale_times_their_distance_from_the_zero_point() -> None:
    q = np.array([[-128, 0, 127], [1, 2, 3]], np.int8)
    real = dequantize_linear(q, np.array([0.5, 2], np.float32), np.array([127, -128]), axis=0).data
    assert real.tolist() == [[-127.5, -63.5, 0], [258, 260, 262]]
    assert real.dtype == np.float32


def test_nan_is_refused() -> None:
    with pytest.raises(ValueError, match="NaN, which no integer stands for"):
        quantize_linear(np.array([1, np.nan]), np.float32(1), np.int8(0))


@given(st.lists(numbers, min_size=1, max_size=20), st.integers(2, 8))
@settings(deadline=None)
def test_within_its_range_a_number_moves_by_half_a_step_at_most(xs: list[float], bits: int) -> None:
    x = np.array(xs, np.float32)
    low, high = float(x.min()), float(x.max())
    for how in (affine(low, high, bits=bits), symmetric(max(-low, high), bits=bits)):
        q = how.quantize(x)
        assert q.dtype == np.int8
        assert q.min() >= -(2 ** (bits - 1))
        assert q.max() < 2 ** (bits - 1)
        error = np.abs(how.dequantize(q) - x).max()
        assert error <= how.scale / 2 * (1 + 1e-4) + 1e-30
        assert how.dequantize(how.quantize(np.float32(0))) == 0


@given(st.floats(0, 2.0**127, width=32), st.floats(0, 2.0**127, width=32))
@settings(deadline=None)
def test_every_range_has_a_scale_even_an_empty_or_an_enormous_one(a: float, b: float) -> None:
    for how in (affine(-a, b), symmetric(a), affine(a, b)):
        assert np.isfinite(how.scale)
        assert how.scale > 0
        assert how.dequantize(how.quantize(np.float32(0))) == 0


def test_symmetric_weights_never_use_the_lowest_integer() -> None:
    how = symmetric([1.0, 0.1], 0)
    assert how.quantize([[-1, 1], [-0.1, 0.1]]).tolist() == [[-127, 127], [-127, 127]]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Quantization(0.0, 0), "above 0"),
        (lambda: Quantization(np.nan, 0), "above 0"),
        (lambda: Quantization([1, 2], [0, 0]), "with an axis"),
        (lambda: Quantization([1, 2], [0], 0), "both are"),
        (lambda: affine(0, np.inf), "must be finite"),
        (lambda: symmetric(1, bits=9), "9 bits"),
        (lambda: symmetric(1, bits=1), "1 bits"),
    ],
)
def test_what_is_no_quantisation_is_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


# Sums
def test_a_sum_of_products_is_that_of_integers() -> None:
    x, weight = np.array([[-128, 127]], np.int8), np.array([[-128, 1], [127, 2]], np.int8)
    total = linear_int8(x, weight, np.array([5, -5], np.int32), np.int8(-1))
    assert total.data.tolist() == [[-127 * -128 + 128 * 127 + 5, -127 + 256 - 5]]
    assert total.data.dtype == np.int32


def test_a_convolution_of_integers_is_that_of_real_numbers_with_a_margin_of_zeros() -> None:
    rng = np.random.default_rng(0)
    x = rng.integers(-128, 128, (2, 4, 7, 6), np.int8)
    weight = rng.integers(-127, 128, (6, 2, 3, 3), np.int8)
    bias = rng.integers(-1000, 1000, 6, np.int32)
    how: Any = {"stride": 2, "padding": (1, 2), "groups": 2}
    total = conv2d_int8(x, weight, bias, np.int8(-7), **how).data
    real = conv2d(x.astype(np.float32) + 7, weight.astype(np.float32), None, **how).data
    np.testing.assert_array_equal(total, real + bias[:, None, None])
    assert total.dtype == np.int32


def test_operands_that_are_no_integers_or_do_not_fit_are_refused() -> None:
    q, w = np.zeros((2, 3), np.int8), np.zeros((3, 4), np.int8)
    with pytest.raises(TypeError, match=r"x is float32, not int8: quantize_linear\(x\)"):
        linear_int8(np.zeros((2, 3), np.float32), w, None, np.int8(0))
    with pytest.raises(ShapeError, match="must be the first of weight"):
        linear_int8(q, w.T, None, np.int8(0))
    with pytest.raises(ShapeError, match="sums of 32,769 products may exceed int32"):
        linear_int8(np.zeros((1, 32769), np.int8), np.zeros((32769, 1), np.int8), None, np.int8(0))
    with pytest.raises(TypeError, match="weight is float32"):
        conv2d_int8(
            np.zeros((1, 1, 4, 4), np.int8), np.zeros((1, 1, 3, 3), np.float32), None, np.int8(0)
        )
    with pytest.raises(ShapeError, match="channels"):
        conv2d_int8(
            np.zeros((1, 2, 4, 4), np.int8), np.zeros((1, 1, 3, 3), np.int8), None, np.int8(0)
        )


# Layers
def test_a_layer_keeps_its_weights_in_eight_bits_and_nothing_trainable() -> None:
    layer = QuantizedLinear(Linear(64, 32, rng=np.random.default_rng(0)), affine(-1, 3))
    types = {name: array.dtype.name for name, array in layer.state_dict().items()}
    assert types == {
        "weight": "int8",
        "weight_scale": "float32",
        "bias": "int32",
        "input_scale": "float32",
        "input_zero_point": "int8",
    }
    assert layer.parameters() == []
    assert state_bytes(layer) == 64 * 32 + 32 * 4 + 32 * 4 + 4 + 1


@pytest.mark.parametrize("per_channel", [True, False])
def test_a_layer_computes_what_its_rounded_weights_and_inputs_give(per_channel: bool) -> None:
    rng = np.random.default_rng(1)
    conv = Conv2d(4, 6, 3, stride=2, padding=1, groups=2, rng=rng)
    conv.weight.data[0] *= 10  # one channel much larger than the others
    inputs = affine(-2, 5)
    layer = QuantizedConv2d(conv, inputs, per_channel=per_channel)
    x = examples(2, 3, 4, 9, 9) * 2
    scale = layer.weight_scale.data[:, None, None, None]
    assert (len(np.unique(scale)) > 1) == per_channel
    weight = layer.weight.data * scale
    assert np.abs(weight - conv.weight.data).max() <= scale.max() / 2 * 1.001
    rounded = inputs.dequantize(inputs.quantize(x))
    assert conv.bias is not None
    expected = conv2d(rounded, weight, conv.bias, stride=2, padding=1, groups=2)
    step = float(inputs.scale * scale.max())  # of the bias
    np.testing.assert_allclose(layer(Tensor(x)).data, expected.data, rtol=1e-5, atol=0.51 * step)


def test_one_scale_for_all_outputs_is_that_of_the_largest_weight() -> None:
    layer = Linear(3, 2, bias=False)
    layer.weight.data = np.array([[1, 2], [-1.27, 0], [0, -2.54]], np.float32)
    each = QuantizedLinear(layer, affine(0, 1)).weight_scale.data
    one = QuantizedLinear(layer, affine(0, 1), per_channel=False).weight_scale.data
    np.testing.assert_allclose(each, [0.01, 0.02], rtol=1e-6)
    np.testing.assert_allclose(one, [0.02, 0.02], rtol=1e-6)


def test_a_bias_survives_beside_weights_that_are_zero_or_tiny() -> None:
    layer = Linear(3, 3, rng=np.random.default_rng(0))
    layer.weight.data = np.array([[0, 1e-12, 1]] * 3, np.float32)
    assert layer.bias is not None
    layer.bias.data = np.array([0.3, -5, 0.7], np.float32)
    small = QuantizedLinear(layer, affine(0, 1))
    y = small(Tensor([[0.2, 0.4, 1.0]])).data
    np.testing.assert_allclose(y, [[0.3, -5, 2.3]], atol=0.01)


def test_a_layer_wants_one_scale_for_its_inputs() -> None:
    with pytest.raises(ValueError, match="inputs have one scale"):
        QuantizedLinear(Linear(2, 2), symmetric([1, 2], 1))


# Models
def test_a_quantised_model_is_a_copy_that_computes_nearly_the_same() -> None:
    model = LeNet5(rng=np.random.default_rng(0))
    before = model.state_dict()
    x = examples(1, 64, 1, 28, 28)
    small = quantize(model, [x[:32], x[32:]])
    assert all((before[k] == v).all() for k, v in model.state_dict().items())
    assert [type(m) for m in model.layers[:1]] == [Conv2d]
    assert not small.training
    exact = model(Tensor(x)).data
    error = np.abs(small(Tensor(x)).data - exact).max()
    assert 0 < error < 0.05 * np.abs(exact).max()


def test_every_step_of_a_quantised_layer_goes_through_the_door() -> None:
    small = quantize(Sequential(Linear(4, 4), ReLU(), Linear(4, 2)), [examples(0, 8, 4)])
    heard: list[str] = []
    with listening(lambda event: heard.append(event.record.primitive.name)):
        small(Tensor(examples(1, 2, 4)))
    step = ["quantize_linear", "linear_int8", "dequantize_linear"]
    assert heard == [*step, "relu", *step]


def test_inputs_of_four_bits_are_integers_of_four_bits() -> None:
    x = examples(0, 64, 8)
    small = quantize(Sequential(Linear(8, 8, rng=np.random.default_rng(0))), [x], bits=4)
    seen: list[Any] = []
    with listening(lambda event: seen.append(event.record)):
        small(Tensor(x * 9))
    assert seen[0].primitive is quantize_linear
    assert (seen[0].out.min(), seen[0].out.max()) == (-8, 7)


def test_a_product_costs_as_many_operations_as_of_floats_and_a_quarter_of_the_bytes() -> None:
    model = Sequential(Conv2d(4, 8, 3, rng=np.random.default_rng(0)), Flatten(), Linear(72, 5))
    x = Tensor(examples(0, 2, 4, 5, 5))
    small = quantize(model, [x])
    found: dict[str, Any] = {}
    with listening(lambda event: found.update({event.record.primitive.name: cost_of(event)})):
        model(x)
        small(x)
    assert found["conv2d_int8"].flops == found["conv2d"].flops == 2 * 2 * 72 * 36
    assert found["linear_int8"].flops == found["linear"].flops == 2 * 2 * 5 * 72
    # inputs and weights of one byte each; bias, sums and a zero point as they are
    assert found["linear_int8"].bytes == 2 * 72 + 72 * 5 + 4 * 5 + 4 * 2 * 5 + 1
    assert found["quantize_linear"].other == 5 * 2 * 72
    assert found["dequantize_linear"].other == 2 * 5


@pytest.mark.parametrize(
    ("make", "shape"), [(ResNet8, (3, 32, 32)), (DSCNN, (1, 49, 10)), (AutoEncoder, (640,))]
)
def test_kernels_change_nothing_in_a_whole_model(make: Any, shape: Any) -> None:
    x = examples(0, 2, *shape)
    small = quantize(make(rng=np.random.default_rng(0)), [x])
    fast: list[Any] = []
    plain: list[Any] = []

    def hear(into: list[Any]) -> Any:
        names = ("linear_int8", "conv2d_int8")
        return lambda e: into.append(e.record) if e.record.primitive.name in names else None

    with listening(hear(fast)):
        small(Tensor(x))
    for record in fast:
        assert record.kernel is not None
        with tinytorch.kernels.use("plain"), listening(hear(plain)):
            record.primitive(*record.operands, **record.params)
        np.testing.assert_array_equal(record.out, plain[-1].out)


def test_fewer_bits_lose_more_and_use_fewer_integers() -> None:
    model = Sequential(Linear(32, 32, rng=np.random.default_rng(0)))
    x = examples(1, 128, 32)
    errors = []
    for bits in (8, 6, 4, 2):
        small = quantize(model, [x], bits=bits)
        assert np.abs(small.state_dict()["0.weight"]).max() == 2 ** (bits - 1) - 1
        errors.append(float(np.abs(small(Tensor(x)).data - model(Tensor(x)).data).mean()))
    assert errors == sorted(errors)
    assert errors[0] < errors[-1] / 20


@pytest.mark.parametrize("observer", [lambda: Percentile(99.9), Entropy])
@pytest.mark.parametrize("symmetric_inputs", [True, False])
def test_any_observer_serves_any_scheme(observer: Any, symmetric_inputs: bool) -> None:
    model = Sequential(Linear(32, 32, rng=np.random.default_rng(0)), ReLU(), Linear(32, 4))
    x = examples(1, 256, 32)
    small = quantize(model, [x], observer=observer, symmetric_inputs=symmetric_inputs)
    points = [v for k, v in small.state_dict().items() if k.endswith("zero_point")]
    assert len(points) == 2
    assert symmetric_inputs == all(p == 0 for p in points)
    error = np.abs(small(Tensor(x)).data - model(Tensor(x)).data)
    assert error.mean() < 0.02


def test_layers_that_are_skipped_stay_as_they_are() -> None:
    model = CifarCNN(rng=np.random.default_rng(0))
    small = quantize(model, [examples(1, 4, 3, 32, 32)], skip=["stem", "head"])
    assert type(small.stem) is Conv2d
    assert type(small.head) is Linear
    assert isinstance(small.body.layers[1], QuantizedConv2d)
    with pytest.raises(KeyError, match="no layer 'tail'; there are stem"):
        quantize(model, [examples(1, 4, 3, 32, 32)], skip=["tail"])


def test_a_transformer_is_quantised_too_and_keeps_its_tied_embedding() -> None:
    model = CharGPT(vocab=20, rng=np.random.default_rng(0))
    tokens = np.random.default_rng(1).integers(0, 20, (4, 16))
    small = quantize(model, [tokens])
    kinds = [type(module).__name__ for module in small.modules()]
    assert kinds.count("QuantizedLinear") == sum(type(m) is Linear for m in model.modules()) > 0
    np.testing.assert_allclose(small(tokens).data, model(tokens).data, atol=0.02)


def test_targets_are_not_looked_at_and_no_batches_is_an_error() -> None:
    model = Sequential(Linear(4, 2, rng=np.random.default_rng(0)))
    x = Tensor(examples(0, 8, 4))
    one, other = quantize(model, [(x, None)]), quantize(model, iter([x]))
    assert all((one.state_dict()[k] == v).all() for k, v in other.state_dict().items())
    with pytest.raises(ValueError, match="no batches to calibrate with"):
        quantize(model, [])


def test_one_array_in_place_of_batches_is_refused_before_it_is_cut_up() -> None:
    model = Sequential(Conv2d(1, 2, 3, rng=np.random.default_rng(0)))
    with pytest.raises(TypeError, match=r"an array \(8, 1, 5, 5\) instead of a list .*\[x\]"):
        quantize(model, examples(0, 8, 1, 5, 5))


def test_examples_of_zeros_are_refused_with_the_name_of_the_layer() -> None:
    with pytest.raises(ValueError, match="layer '0' saw no number but 0"):
        quantize(LeNet5(), [np.zeros((4, 1, 28, 28), np.float32)])


@pytest.mark.parametrize("bits", [4.5, 8.0, "8", None])
def test_bits_are_a_whole_number(bits: Any) -> None:
    with pytest.raises(TypeError, match=r"bits=.*: a whole number, 2 to 8"):
        quantize(Sequential(Linear(4, 2)), [examples(0, 8, 4)], bits=bits)
    assert symmetric(1, bits=np.int64(4)).bits == 4


def test_a_model_with_nothing_to_quantise_is_refused() -> None:
    x = examples(0, 8, 4)
    with pytest.raises(ValueError, match="Sequential has no Linear and no Conv2d"):
        quantize(Sequential(ReLU()), [x])
    model = Sequential(Linear(4, 2, rng=np.random.default_rng(0)))
    with pytest.raises(ValueError, match="besides those of skip: 0"):
        quantize(model, [x], skip=["0"])
    with pytest.raises(ValueError, match="is quantised already: start from the model of floats"):
        quantize(quantize(model, [x]), [x])


class Forked(Module):
    """A layer that only some inputs reach."""

    def __init__(self) -> None:
        self.one, self.other = Linear(2, 2), Linear(2, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.one(x) if len(x) < 100 else self.other(x)


def test_a_layer_that_no_example_reached_is_named() -> None:
    with pytest.raises(ValueError, match="no input reached other"):
        quantize(Forked(), [examples(0, 4, 2)])
    small = quantize(Forked(), [examples(0, 4, 2)], skip=["other"])
    assert type(small.other) is Linear


# Files
@pytest.mark.parametrize(
    ("make", "shape"), [(LeNet5, (1, 28, 28)), (CifarCNN, (3, 32, 32)), (ResNet8, (3, 32, 32))]
)
def test_a_file_gives_the_same_model_back_without_examples(
    make: Any, shape: Any, tmp_path: Path
) -> None:
    x = examples(1, 4, *shape)
    small = quantize(make(rng=np.random.default_rng(0)), [x])
    save_quantized(small, tmp_path / "small.safetensors", {"made by": "a test"})
    fresh = make(rng=np.random.default_rng(5))
    again = load_quantized(tmp_path / "small.safetensors", fresh)
    assert not again.training
    assert {k: v.dtype for k, v in again.state_dict().items()} == {
        k: v.dtype for k, v in small.state_dict().items()
    }
    np.testing.assert_array_equal(again(Tensor(x)).data, small(Tensor(x)).data)
    assert all(p.dtype == np.float32 for p in fresh.parameters())  # it stays as it was


def test_four_bits_are_four_bits_after_loading(tmp_path: Path) -> None:
    x = examples(0, 64, 8)
    model = Sequential(Linear(8, 8, rng=np.random.default_rng(0)))
    small = quantize(model, [x], bits=4)
    save_quantized(small, tmp_path / "q.safetensors")
    again = load_quantized(tmp_path / "q.safetensors", model)
    np.testing.assert_array_equal(again(Tensor(x * 9)).data, small(Tensor(x * 9)).data)


def test_a_file_that_is_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    model = Sequential(Linear(8, 8), ReLU(), Linear(8, 2))
    with pytest.raises(ValueError, match="no layer is quantised"):
        save_quantized(model, path)
    tinytorch.save(model.state_dict(), path)
    with pytest.raises(ValueError, match="no quantised model of this version"):
        load_quantized(path, model)
    save_quantized(quantize(model, [examples(0, 4, 8)]), path)
    arrays, texts = read(path)
    wide = {name: array.astype(np.float32) for name, array in arrays.items()}
    tinytorch.save(wide, tmp_path / "wide.safetensors", texts)
    with pytest.raises(ValueError, match="weight is float32, not int8"):
        load_quantized(tmp_path / "wide.safetensors", model)
    with pytest.raises(ValueError, match="no module '2'"):
        load_quantized(path, Sequential(Linear(8, 8)))
    with pytest.raises(ValueError, match="layer '2' is a Flatten, not a Linear or Conv2d"):
        load_quantized(path, Sequential(Linear(8, 8), ReLU(), Flatten()))
    with pytest.raises(ValueError, match="does not fit"):
        load_quantized(path, Sequential(Linear(8, 9), ReLU(), Linear(9, 2)))
