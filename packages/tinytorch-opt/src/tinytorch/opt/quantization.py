"""Module 15: quantisation. Numbers of eight bits in place of thirty-two, and sums that are exact.

A real number is kept as an integer q: real = scale * (q - zero_point). `Quantization` holds such a
scale; `quantize_linear` and `dequantize_linear` go there and back, with ONNX's rounding, so that
what is exported computes what was measured here. Between them `linear_int8` and `conv2d_int8` add
up products of integers, without any rounding. `QuantizedLinear` and `QuantizedConv2d` keep int8
weights and nothing else; `quantize` puts them into a copy of a trained model.

Left out: how ranges are found (`calibration.py`), normalisation (`folding.py`), files
(`quantized_files.py`), training with rounding (`fine_tuning.py`), four bits (`int4.py`), and the
fast forms (`kernels/integer.py`).
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinytorch.arch.convolutions import Conv2d, check_conv2d, conv2d
from tinytorch.core.errors import ShapeError
from tinytorch.core.layers import Linear, Module
from tinytorch.core.primitive import Array, primitive
from tinytorch.core.tensor import Tensor
from tinytorch.opt.calibration import MinMax, Observer, inputs_of, observe, require_batches
from tinytorch.opt.folding import fold_batch_norm
from tinytorch.opt.surgery import replaced

MOST_PRODUCTS = 2**15  # a sum of so many, each at most 255 * 128, is below 2^30, and a bias too
LARGEST_BIAS = 2**30


# From real numbers to integers and back
def limits(bits: int) -> tuple[int, int]:
    """The smallest and largest integer of so many bits, 2 to 8: (-128, 127) of eight."""
    try:
        bits = operator.index(bits)
    except TypeError:
        raise TypeError(f"bits={bits!r}: a whole number, 2 to 8") from None
    if not 2 <= bits <= 8:
        raise ValueError(f"{bits} bits: int8 holds from 2 to 8 of them")
    return -(2 ** (bits - 1)), 2 ** (bits - 1) - 1


def along(values: Array, axis: int | None, ndim: int) -> Array:
    """Give values (channels,) the axes with which they broadcast along `axis` of an array."""
    values = np.asarray(values)
    if axis is None or values.ndim == 0:
        return values
    shape = [1] * ndim
    shape[axis] = -1
    return values.reshape(shape)


@primitive(differentiable=False)
def quantize_linear(
    x: Array, scale: Array, zero_point: Array, *, axis: int | None = None, bits: int = 8
) -> Array:
    """round(x / scale) + zero_point, halves to even, what lies outside of the range at its end.

    x                  any shape
    scale, zero_point  one number, or (channels,) along `axis` of x
    bits               the integers are those of so many bits, 2 to 8; int8 holds them

    Returns int8 like x. Raises ValueError for NaN, which no integer stands for. ONNX,
    QuantizeLinear.
    """
    low, high = limits(bits)
    if np.isnan(np.min(x, initial=0)):
        raise ValueError(
            "quantize_linear: x holds NaN, which no integer stands for: which layer made it?"
        )
    with np.errstate(over="ignore"):  # infinity is beyond the range like any large number
        q = np.asarray(x / along(scale, axis, x.ndim))
    np.rint(q, out=q)
    q += along(zero_point, axis, x.ndim)
    return np.clip(q, low, high, out=q).astype(np.int8)


@primitive(differentiable=False)
def dequantize_linear(
    q: Array, scale: Array, zero_point: Array | None = None, *, axis: int | None = None
) -> Array:
    """scale * (q - zero_point), float32: the real numbers that integers stand for.

    q  integers, int8 or the int32 of a sum; scale and zero_point as for `quantize_linear`, None
       for 0. Jacob et al., "Quantization and training of neural networks for efficient
       integer-arithmetic-only inference", 2018, equation 1; ONNX, DequantizeLinear.
    """
    if zero_point is not None:
        q = q.astype(np.int32) - along(zero_point, axis, q.ndim)
    return q.astype(np.float32) * along(np.asarray(scale, np.float32), axis, q.ndim)


@dataclass(frozen=True)
class Quantization:
    """How integers stand for real numbers: real = scale * (q - zero_point).

    scale       float32, above 0: () for a whole tensor, (channels,) for each along `axis`
    zero_point  int8 of the same shape: the integer that stands for 0
    """

    scale: Array
    zero_point: Array
    axis: int | None = None
    bits: int = field(default=8, kw_only=True)

    def __post_init__(self) -> None:
        scale = np.asarray(self.scale, np.float32)
        object.__setattr__(self, "scale", scale)
        object.__setattr__(self, "zero_point", np.asarray(self.zero_point, np.int8))
        limits(self.bits)
        if not (np.isfinite(scale).all() and (scale > 0).all()):
            raise ValueError(f"a scale is a finite number above 0, not {self.scale}")
        if self.zero_point.shape != scale.shape or (scale.ndim == 1) != (self.axis is not None):
            raise ShapeError(
                f"scale {scale.shape}, zero_point {self.zero_point.shape}, axis {self.axis}: both "
                "are (), or (channels,) with an axis"
            )

    def quantize(self, x: Any) -> Array:
        """The integers, int8, that come nearest to x."""
        found = quantize_linear(x, self.scale, self.zero_point, axis=self.axis, bits=self.bits)
        return found.data

    def dequantize(self, q: Any) -> Array:
        """The real numbers, float32, that integers stand for."""
        return dequantize_linear(q, self.scale, self.zero_point, axis=self.axis).data


def affine(low: Any, high: Any, axis: int | None = None, *, bits: int = 8) -> Quantization:
    """Spread all integers over [low, high]: nothing is wasted where numbers are of one sign.

    low, high  of the numbers: one pair, or (channels,) each, for the channels along `axis`

    0 always has an integer of its own, because margins and ReLU make so many of it. Jacob et al.,
    2018, section 3.
    """
    smallest, largest = limits(bits)
    low, high = np.minimum(_finite(low), 0), np.maximum(_finite(high), 0)
    scale = _scale((high - low) / (largest - smallest))
    zero_point = np.clip(np.rint(smallest - low / scale), smallest, largest)
    return Quantization(scale, zero_point, axis, bits=bits)


def symmetric(largest: Any, axis: int | None = None, *, bits: int = 8) -> Quantization:
    """Spread the integers evenly to both sides of 0, which is 0: products need no correction.

    largest  magnitude of the numbers: one, or (channels,) along `axis`

    Of eight bits -127 to 127 are used. Jacob et al., 2018, section 3; Krishnamoorthi, "Quantizing
    deep convolutional networks", 2018, section 2.2.
    """
    scale = _scale(_finite(largest) / limits(bits)[1])
    return Quantization(scale, np.zeros(scale.shape), axis, bits=bits)


def magnitudes(weight: Array, axis: int, per_channel: bool = True) -> Array:
    """The largest magnitude of each channel's weights, (channels,); or of all, as often."""
    others = tuple(i for i in range(weight.ndim) if i != axis)
    largest = np.abs(weight).max(axis=others)
    return largest if per_channel else np.full_like(largest, largest.max())


def _finite(value: Any) -> Array:
    array = np.asarray(value, np.float64)
    if not np.isfinite(array).all():
        raise ValueError(f"a range of numbers ends at {value}: it must be finite")
    return array


def _scale(value: Array) -> Array:
    """A scale as float32. Where all numbers are 0 any will do; one that is no number will not."""
    smallest = float(np.finfo(np.float32).tiny)
    return np.where(value > 0, np.maximum(value, smallest), 1.0).astype(np.float32)


# Sums of products of integers
def check_integers(name: str, x: Array, weight: Array, products: int) -> None:
    """Raise TypeError unless both are int8 or uint8, ShapeError for sums that may exceed int32."""
    for what, array in (("x", x), ("weight", weight)):
        if array.dtype not in (np.int8, np.uint8):
            raise TypeError(f"{name}: {what} is {array.dtype}, not int8: quantize_linear({what})?")
    if products > MOST_PRODUCTS:
        raise ShapeError(
            f"{name}: sums of {products:,} products may exceed int32; {MOST_PRODUCTS:,} do not"
        )


@primitive(differentiable=False)
def linear_int8(x: Array, weight: Array, bias: Array | None, zero_point: Array) -> Array:
    """(x - zero_point) @ weight + bias, exactly.

    x (..., in) and weight (in, out), int8 or uint8; bias (out,), int32, or None; zero_point, the
    integer that stands for 0 in x -> int32 (..., out). Raises TypeError, ShapeError.
    """
    if x.ndim == 0 or weight.ndim != 2 or x.shape[-1] != weight.shape[0]:
        raise ShapeError(
            f"linear_int8: the last axis of x {x.shape} must be the first of weight {weight.shape}"
        )
    check_integers("linear_int8", x, weight, weight.shape[0])
    total = (x.astype(np.int32) - np.int32(zero_point)) @ weight.astype(np.int32)
    return total if bias is None else total + bias


@primitive(differentiable=False)
def conv2d_int8(
    x: Array,
    weight: Array,
    bias: Array | None,
    zero_point: Array,
    *,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Array:
    """The convolution of module 09, of x - zero_point, in integers: exactly.

    x (N, C, H, W) and weight (O, C/groups, kh, kw), int8 or uint8; bias (O,), int32, or None ->
    int32 (N, O, H', W'). The margin is of real zeros. Parameters and errors are those of `conv2d`.
    """
    check_conv2d(x, weight, bias, groups)
    check_integers("conv2d_int8", x, weight, weight[0].size)
    image = x.astype(np.int32) - np.int32(zero_point)  # so that the margin is 0
    how = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    return conv2d.definition(image, weight.astype(np.int32), bias, **how)


# Layers
class QuantizedLayer(Module):
    """What the two layers share: int8 weights, each output channel with a scale of its own.

    layer        a trained Linear or Conv2d, which stays as it is
    inputs       how its inputs are quantised: one scale for all of them
    bits         of a weight
    per_channel  whether each output has a scale, or all have the same

    The state: weight, int8; weight_scale (out,); bias, int32 in steps of input_scale *
    weight_scale, so that it is added to the sum as it is (Jacob et al., 2018, equation 11);
    input_scale; input_zero_point.
    """

    weight_axis = 0  # of the outputs in the weight
    output_axis = 1  # and in the result

    weight: Tensor
    weight_scale: Tensor
    bias: Tensor | None
    input_scale: Tensor
    input_zero_point: Tensor

    def __init__(
        self, layer: Any, inputs: Quantization, *, bits: int = 8, per_channel: bool = True
    ) -> None:
        if inputs.axis is not None:
            raise ValueError("inputs have one scale: of a sum of products no other comes out")
        weight, bias = layer.weight.data, None if layer.bias is None else layer.bias.data
        axis = self.weight_axis % weight.ndim
        largest = magnitudes(weight, axis, per_channel)  # (out,)
        if bias is not None:  # the scale must be so large that the bias, too, is an int32
            floor = np.abs(bias) / (np.float64(inputs.scale) * LARGEST_BIAS)
            largest = np.maximum(largest, floor * limits(bits)[1])
            if not per_channel:
                largest = np.full_like(largest, largest.max())
        weights = symmetric(largest, axis, bits=bits)
        self.bits, self.input_bits = bits, inputs.bits
        self.register_buffer("weight", Tensor(weights.quantize(weight)))
        self.register_buffer("weight_scale", Tensor(weights.scale))
        self.bias = None
        if bias is not None:
            steps = np.rint(bias / (np.float64(inputs.scale) * weights.scale))
            self.register_buffer("bias", Tensor(steps.astype(np.int32)))
        self.register_buffer("input_scale", Tensor(inputs.scale))
        self.register_buffer("input_zero_point", Tensor(inputs.zero_point))

    def add_up(self, q: Tensor) -> Tensor:
        """The layer's sums of products, from int8 to int32."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        q = quantize_linear(x, self.input_scale, self.input_zero_point, bits=self.input_bits)
        scale = self.input_scale.data * self.weight_scale.data  # of a product of both integers
        return dequantize_linear(self.add_up(q), scale, axis=self.output_axis)


class QuantizedLinear(QuantizedLayer):
    """A `Linear` with int8 weights (in, out), for inputs that it rounds to int8."""

    weight_axis = output_axis = -1

    def add_up(self, q: Tensor) -> Tensor:
        return linear_int8(q, self.weight, self.bias, self.input_zero_point)

    def describe(self) -> str:
        return f"{self.weight.shape[0]}, {self.weight.shape[1]}, bits={self.bits}"


class QuantizedConv2d(QuantizedLayer):
    """A `Conv2d` with int8 weights (O, C/groups, kh, kw), for inputs that it rounds to int8."""

    def __init__(self, layer: Any, inputs: Quantization, **how: Any) -> None:
        super().__init__(layer, inputs, **how)
        self.stride, self.padding = layer.stride, layer.padding
        self.dilation, self.groups = layer.dilation, layer.groups

    def add_up(self, q: Tensor) -> Tensor:
        return conv2d_int8(
            q,
            self.weight,
            self.bias,
            self.input_zero_point,
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            groups=self.groups,
        )

    def describe(self) -> str:
        outputs, channels, *kernel = self.weight.shape
        text = f"{channels * self.groups}, {outputs}, kernel_size={tuple(kernel)}"
        return f"{text}, stride={self.stride}, groups={self.groups}, bits={self.bits}"


# Models
def quantize(
    model: Module,
    batches: Iterable[Any],
    *,
    observer: Callable[[], Observer] = MinMax,
    bits: int = 8,
    symmetric_inputs: bool = False,
    per_channel: bool = True,
    skip: Iterable[str] = (),
) -> Module:
    """Return a copy of a trained model whose linear and convolution layers compute in int8.

    batches           some hundred typical examples: batches of inputs, or (inputs, targets). Their
                      ranges, as they reach each layer, are what its scale is made of
    observer          makes what looks at a layer's inputs: MinMax, Percentile, Entropy
    bits              of weights and inputs, 2 to 8. Fewer than 8 are still kept in int8
    symmetric_inputs  whether 0 stands for 0 in the inputs too
    per_channel       whether each output channel's weights have a scale of their own
    skip              layers, by dotted name, that stay as they are

    Batch normalisation is folded into the convolutions first. Raises TypeError for one array
    instead of batches and for bits that are no whole number; ValueError for batches with NaN, for
    none, for a layer that they do not reach, for examples that are one constant, and for a model
    without a layer to quantise. Warns of an inner layer that saw nothing but one constant.
    """
    model, scales = input_scales(model, batches, observer, bits, symmetric_inputs, skip)
    layers = dict(model.named_modules())
    exchange: dict[str, Module] = {
        name: QUANTIZED[type(layers[name])](
            layers[name], inputs, bits=bits, per_channel=per_channel
        )
        for name, inputs in scales.items()
    }
    return replaced(model, exchange)


def input_scales(
    model: Module,
    batches: Iterable[Any],
    observer: Callable[[], Observer],
    bits: int,
    symmetric_inputs: bool,
    skip: Iterable[str],
) -> tuple[Module, dict[str, Quantization]]:
    """Return the model with normalisations folded, and how the inputs of each layer are rounded.

    Arguments and errors are those of `quantize`.
    """
    limits(bits)
    require_batches(batches)
    if not quantizable(model, skip := list(skip)):
        raise ValueError(nothing_in(model, skip))
    stream = (inputs_of(batch) for batch in batches)
    first = next(stream, None)
    if first is None:
        raise ValueError("quantize: no batches to calibrate with. Is the iterator used up?")
    model = fold_batch_norm(model, first[:2]).eval()
    seen = observe(model, itertools.chain([first], stream), observer, quantizable(model, skip))
    scales = {}
    for name, observed in seen.items():
        low, high = observed.range(bits)
        largest = max(-low, high)
        scales[name] = (
            symmetric(largest, bits=bits) if symmetric_inputs else affine(low, high, bits=bits)
        )
    return model, scales


QUANTIZED: dict[type, type[QuantizedLayer]] = {Linear: QuantizedLinear, Conv2d: QuantizedConv2d}


def quantizable(model: Module, skip: Iterable[str] = ()) -> dict[str, Module]:
    """The layers that `quantize` exchanges, by name. Raises KeyError for one that is not there."""
    layers = {name: each for name, each in model.named_modules() if type(each) in QUANTIZED}
    for name in (skip := list(skip)):
        if name not in layers:
            raise KeyError(f"skip: no layer {name!r}; there are {', '.join(layers)}")
    return {name: each for name, each in layers.items() if name not in skip}


def nothing_in(model: Module, skip: Iterable[str]) -> str:
    """Why `quantize` finds no layer in a model."""
    name = type(model).__name__
    if any(isinstance(each, QuantizedLayer) for each in model.modules()):
        return f"quantize: {name} is quantised already: start from the model of floats"
    if skipped := ", ".join(skip):
        return f"quantize: {name} has no layer to quantise besides those of skip: {skipped}"
    return f"quantize: {name} has no Linear and no Conv2d that could be quantised"


def state_bytes(model: Module) -> int:
    """The bytes of all parameters and buffers, as they are stored."""
    return sum(array.nbytes for array in model.state_dict().values())


# The fast forms attach themselves. Here, because they stand in for what is defined above.
from tinytorch.opt import quantized_costs as _costs  # noqa: E402, F401  (and what they cost)
from tinytorch.opt.kernels import integer as _integer  # noqa: E402, F401
