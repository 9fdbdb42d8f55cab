"""Layers that compute in eight bits, written together, from the scales that module 15 found.

A whole layer is written as ONNX Runtime's integer kernels look for it: QuantizeLinear and
DequantizeLinear around an operation on floats ("QDQ"). Whoever has no such kernel computes with
floats, and gets the same but for rounding. ONNX Runtime has one for a convolution only where the
result is rounded again, for the next layer; what feeds a residual sum is computed in floats there.
Left out: the primitives one by one (`integers.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tinytorch.opt.graph import State
from tinytorch.opt.onnx.calls import Call
from tinytorch.opt.onnx.composites import composite
from tinytorch.opt.onnx.converters.images import steps
from tinytorch.opt.onnx.converters.integers import rounded
from tinytorch.opt.onnx.writer import Array


@dataclass(frozen=True)
class Rounded:
    """What a layer multiplies and adds, as floats that stand for integers: names, or ""."""

    x: str
    weight: str
    bias: str


@composite("quantize_linear", "linear_int8", "dequantize_linear")
def linear(calls: Sequence[Call]) -> str | None:
    """Gemm for rows with a bias, else MatMul and Add: as `linear` of floats is written."""
    rank = calls[1].rank(0)
    found = operands(calls, outputs=1, result_axis=rank - 1)
    if found is None:
        return None
    write = calls[0].write
    if rank == 2 and found.bias:
        return str(write.add("Gemm", found.x, found.weight, found.bias))
    y = write.add("MatMul", found.x, found.weight)
    return str(write.add("Add", y, found.bias)) if found.bias else str(y)


@composite("quantize_linear", "conv2d_int8", "dequantize_linear")
def conv2d(calls: Sequence[Call]) -> str | None:
    """Conv, whose margin of zeros is the margin of `conv2d_int8`."""
    found = operands(calls, outputs=0, result_axis=1)
    if found is None:
        return None
    given = [name for name in (found.x, found.weight, found.bias) if name]
    return str(calls[0].write.add("Conv", *given, **steps(calls[1])))


def operands(calls: Sequence[Call], outputs: int, result_axis: int) -> Rounded | None:
    """Write a layer's operands, if its integers stand for what its floats would be; else None.

    outputs, result_axis  the axis of the output channels in the weight, and in the result
    """
    first, sums, last = calls
    scale, zero, weight = first.array(1), first.array(2), sums.array(1)
    step = last.array(1)  # of the sums: input_scale * weight_scale, (out,) or ()
    if scale is None or zero is None or weight is None or step is None or scale.ndim:
        return None
    same_zero = np.array_equal(zero, np.asarray(sums.node.record.arrays[3]))
    axis = last.param("axis")
    along_outputs = step.ndim == 0 or (axis is not None and axis % last.rank(0) == result_axis)
    shifted = len(last.x) > 2 and last.node.record.arrays[2] is not None
    if not same_zero or not along_outputs or shifted or weight.dtype != np.int8:
        return None
    write = first.write
    x = write.add("DequantizeLinear", *rounded(first, np.dtype(write.activations)))
    by = {"axis": outputs} if step.ndim else {}
    of_weight = weight_scale(sums, step, scale)
    nothing = write.constant(np.zeros(step.shape), np.int8)  # ONNX Runtime's QGemm asks for it
    w = write.add("DequantizeLinear", sums.x[1], of_weight, nothing, **by)
    bias = ""
    if sums.node.record.arrays[2] is not None:
        by = {"axis": 0} if step.ndim else {}
        bias = write.add("DequantizeLinear", sums.x[2], write.constant(step), **by)
    return Rounded(str(x), str(w), bias)


def weight_scale(sums: Call, step: Array, scale: Array) -> str:
    """The name of the weights' scales: the layer's own buffer, or what is left of the sums'."""
    weight = sums.node.inputs[1]
    own = State(f"{weight.name}_scale" if isinstance(weight, State) else "")
    value = sums.names.state(own.name)
    if value is not None and np.array_equal(scale * value, step):
        return sums.names.of(own, value)
    return sums.write.constant(step / scale, np.float32)
