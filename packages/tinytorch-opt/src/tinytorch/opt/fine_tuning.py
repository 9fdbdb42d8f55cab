"""Quantisation-aware fine-tuning: a few more steps of training, with the rounding in the network.

    rounded = prepare(model, batches, bits=4)   # computes in floats, rounded as integers will be
    Trainer(rounded, loss, Adam(rounded.parameters(), lr=1e-4)).fit(train, epochs=1)
    small = convert(rounded)                    # what `quantize` would have made of these weights

At eight bits there is nothing to mend; at four, rounding moves every weight so far that the others
have to follow. The slope of rounding is 0 almost everywhere, so `fake_quantize` hands its gradient
on as if it had not rounded. Left out: ranges that are learned; those of the inputs stay as they
were calibrated, those of the weights follow the weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from tinytorch.arch.convolutions import Conv2d, conv2d
from tinytorch.core.layers import Module, linear
from tinytorch.core.primitive import Array, Event, Record, gradient, primitive
from tinytorch.core.tensor import Tensor
from tinytorch.core.thrift import READS
from tinytorch.opt.calibration import MinMax, Observer
from tinytorch.opt.costs import Cost, cost, moved
from tinytorch.opt.quantization import (
    QUANTIZED,
    Quantization,
    along,
    input_scales,
    limits,
    magnitudes,
    symmetric,
)
from tinytorch.opt.surgery import copy_of, replaced

READS["fake_quantize"] = frozenset({"arrays"})


def steps_of(x: Array, scale: Array, zero_point: Array, axis: int | None) -> Array:
    """The integers, as floats and not yet cut at the ends of the range, that x comes nearest to."""
    return np.rint(x / along(scale, axis, x.ndim)) + along(zero_point, axis, x.ndim)


@primitive
def fake_quantize(
    x: Array, scale: Array, zero_point: Array, *, axis: int | None = None, bits: int = 8
) -> Array:
    """x rounded to what the integers of so many bits stand for, still as floats.

    Operands are those of `quantize_linear`; the result is what `dequantize_linear` makes of it.
    """
    q = np.clip(steps_of(x, scale, zero_point, axis), *limits(bits))
    return (q - along(zero_point, axis, x.ndim)) * along(scale, axis, x.ndim)


@gradient("fake_quantize")
def fake_quantize_gradient(g: Array, call: Record) -> Any:
    """The straight-through estimator: the gradient passes where x was in the range, 0 outside.

    Bengio et al., "Estimating or propagating gradients through stochastic neurons", 2013, section
    4; with the cut as PyTorch's fake_quantize has it. Scales get none.
    """
    x, scale, zero_point = call.arrays
    low, high = limits(call.params.get("bits", 8))
    q = steps_of(x, scale, zero_point, call.params.get("axis"))
    return (g * ((q >= low) & (q <= high)) if call.needs[0] else None), None, None


@cost("fake_quantize")
def fake_quantize_cost(event: Event) -> Cost:
    """Divided, rounded, shifted, cut at two ends, and back in two steps; nine for the gradient."""
    steps = 7 if event.kind == "forward" else 9
    return Cost(0, steps * np.size(event.record.out), moved(event))


class Rounded(Module):
    """A Linear or Conv2d that computes with rounded weights and inputs, and trains the exact ones.

    layer        the layer, whose parameters are trained
    inputs       how its inputs are rounded
    bits         of a weight
    per_channel  whether each output's weights have a scale of their own
    """

    input_scale: Tensor
    input_zero_point: Tensor

    def __init__(
        self, layer: Any, inputs: Quantization, *, bits: int = 8, per_channel: bool = True
    ) -> None:
        self.layer = layer
        self.inputs, self.bits, self.per_channel = inputs, bits, per_channel
        self.weight_axis = QUANTIZED[type(layer)].weight_axis % layer.weight.ndim
        self.register_buffer("input_scale", Tensor(inputs.scale))
        self.register_buffer("input_zero_point", Tensor(inputs.zero_point))

    def forward(self, x: Tensor) -> Tensor:
        layer = self.layer
        x = fake_quantize(x, self.input_scale, self.input_zero_point, bits=self.inputs.bits)
        largest = magnitudes(layer.weight.data, self.weight_axis, self.per_channel)
        how = symmetric(largest, self.weight_axis, bits=self.bits)
        weight = fake_quantize(
            layer.weight, how.scale, how.zero_point, axis=how.axis, bits=self.bits
        )
        if not isinstance(layer, Conv2d):
            return linear(x, weight, layer.bias)
        return conv2d(
            x,
            weight,
            layer.bias,
            stride=layer.stride,
            padding=layer.padding,
            dilation=layer.dilation,
            groups=layer.groups,
        )

    def describe(self) -> str:
        return f"bits={self.bits}"


def prepare(
    model: Module,
    batches: Iterable[Any],
    *,
    observer: Callable[[], Observer] = MinMax,
    bits: int = 8,
    symmetric_inputs: bool = False,
    per_channel: bool = True,
    skip: Iterable[str] = (),
) -> Module:
    """Return a copy of a trained model that rounds like `quantize` would, and can be trained.

    Arguments and errors are those of `quantize`. Batch normalisation is folded in, so that what is
    trained is what will be rounded; the copy trains without it.
    """
    model, scales = input_scales(model, batches, observer, bits, symmetric_inputs, skip)
    layers = dict(model.named_modules())
    exchange: dict[str, Module] = {
        name: Rounded(copy_of(layers[name]), inputs, bits=bits, per_channel=per_channel)
        for name, inputs in scales.items()
    }
    return replaced(model, exchange)


def convert(model: Module) -> Module:
    """Return a copy in which each `Rounded` layer is the quantised one, with integers.

    It computes what the prepared model did, but for the bias, which is now rounded too, to steps of
    input_scale * weight_scale. Weights of fewer than 8 bits are still kept in int8, a byte for
    each, so that a model of 4 bits is as large as one of 8: it shows what 4 bits lose, and does not
    save them. `quantize_weights` (int4.py) keeps two weights in a byte, and `pack` (packing.py)
    makes small files. Raises ValueError where no layer is prepared.
    """
    exchange: dict[str, Module] = {}
    for name, each in model.named_modules():
        if isinstance(each, Rounded):
            kind = QUANTIZED[type(each.layer)]
            exchange[name] = kind(
                each.layer, each.inputs, bits=each.bits, per_channel=each.per_channel
            )
    if not exchange:
        raise ValueError("convert: no layer is prepared: prepare(model, batches) first?")
    return replaced(model, exchange).eval()
