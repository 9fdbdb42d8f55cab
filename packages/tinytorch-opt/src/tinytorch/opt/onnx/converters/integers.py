"""Rounding to integers, sums of their products, and back: each primitive by itself.

The sums are exact here as there. Left out: whole layers (`quantized.py`), where ONNX Runtime has
faster kernels than these.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinytorch.opt.onnx.calls import Call, converter
from tinytorch.opt.onnx.converters.images import steps
from tinytorch.opt.quantization import along, limits

SHIFT = 128  # from int8 to uint8: integers and zero points grow alike


@converter("quantize_linear")
def quantize_linear(call: Call) -> str:
    return rounded(call, np.dtype(np.int8))[0]


@converter("dequantize_linear")
def dequantize_linear(call: Call) -> str:
    """Of other integers than int8, which have no zero point there, the zero point is taken off."""
    write = call.write
    scale, by = scale_of(call)
    shifted = len(call.x) > 2 and call.node.record.arrays[2] is not None
    if call.dtype(0) == np.int8:
        zero = (call.as_type(2, np.int8),) if shifted else ()
        return str(write.add("DequantizeLinear", call.x[0], scale, *zero, **by))
    q = call.as_type(0, np.int32)
    if shifted:
        zero_point = call.array(2)
        if zero_point is None:
            raise call.refuse("its zero point is computed")
        column = along(zero_point, call.param("axis"), call.rank(0))
        q = write.add("Sub", q, write.constant(column, np.int32))
    return str(write.add("DequantizeLinear", q, scale, **by))


@converter("fake_quantize")
def fake_quantize(call: Call) -> str:
    """To integers and back at once, which is what it stands for."""
    _, by = scale_of(call)
    return str(call.write.add("DequantizeLinear", *rounded(call, np.dtype(np.int8)), **by))


@converter("linear_int8")
def linear_int8(call: Call) -> str:
    y = call.write.add("MatMulInteger", call.x[0], call.x[1], zero_point(call))
    return str(call.write.add("Add", y, call.x[2])) if call.x[2] else str(y)


@converter("conv2d_int8")
def conv2d_int8(call: Call) -> str:
    """The bias (O,) is added to (N, O, H, W) by itself: ConvInteger takes none."""
    write = call.write
    y = write.add("ConvInteger", call.x[0], call.x[1], zero_point(call), **steps(call))
    if not call.x[2]:
        return str(y)
    return str(write.add("Add", y, write.add("Reshape", call.x[2], write.integers([-1, 1, 1]))))


def zero_point(call: Call) -> str:
    """The integer that stands for 0 in the inputs, of their type."""
    return call.as_type(3, call.dtype(0))


def scale_of(call: Call) -> tuple[str, dict[str, Any]]:
    """The name of a call's scale, and the attribute that says along which axis it lies."""
    axis = call.param("axis")
    if np.ndim(call.node.record.arrays[1]) == 0:
        return call.as_type(1, np.float32), {}
    if axis is None:
        raise call.refuse("its scale has axes, but it is not said which: axis=1, say")
    return call.as_type(1, np.float32), {"axis": axis % call.rank(0)}


def rounded(call: Call, dtype: np.dtype[Any]) -> tuple[str, str, str]:
    """Write the integers that x comes nearest to: their name, the scale's, the zero point's.

    dtype  int8, or uint8 with all integers, and the zero point, larger by 128

    ONNX knows no range of fewer bits than eight: numbers beyond it are clipped before.
    """
    write = call.write
    scale, by = scale_of(call)
    x, known, bits = call.as_type(0, np.float32), call.array(2), call.param("bits", 8)
    if bits < 8:
        step = call.array(1)
        if step is None or known is None:
            raise call.refuse(f"its range of {bits} bits is computed: give it a scale that is kept")
        axis, rank = call.param("axis"), call.rank(0)
        low, high = (
            write.constant(along(step * (end - known.astype(np.float32)), axis, rank), np.float32)
            for end in limits(bits)
        )
        x = write.add("Min", write.add("Max", x, low), high)
    if dtype == np.int8:
        zero = call.as_type(2, np.int8)
    else:
        assert known is not None  # a composite's is
        zero = write.constant(known.astype(np.int16) + SHIFT, np.uint8)
    return write.add("QuantizeLinear", x, scale, zero, **by), scale, zero
