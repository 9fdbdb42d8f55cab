"""Many elements as one: sums, means, extremes, and where they are."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinytorch.opt.onnx.calls import Call, converter
from tinytorch.opt.onnx.dimensions import Dim

REDUCTIONS = {
    "sum": "ReduceSum", "mean": "ReduceMean", "max": "ReduceMax", "min": "ReduceMin",
    "prod": "ReduceProd", "norm": "ReduceL2", "logsumexp": "ReduceLogSumExp",
}  # fmt: skip


def reduced(call: Call, op: str, x: str, axes: list[int], keepdims: bool) -> str:
    """Write a reduction. Axes are an attribute of most until opset 18, and an input after it."""
    write = call.write
    if not axes:  # nothing to reduce over, which ONNX would take for everything
        return str(write.add("Identity", x))
    if op == "ReduceSum" or write.opset >= 18:
        return str(write.add(op, x, write.integers(axes), keepdims=int(keepdims)))
    return str(write.add(op, x, axes=axes, keepdims=int(keepdims)))


@converter(*REDUCTIONS)
def reduction(call: Call) -> str:
    """Booleans and short integers are reduced as int64: ONNX has no smaller sums."""
    wanted = call.out_dtype
    dtype = wanted if wanted.kind == "f" else np.dtype(np.int64)
    x = call.as_type(0, dtype)
    axes = call.axes()
    name = call.node.name
    if not axes and name in ("norm", "logsumexp"):  # of one number
        y = call.write.add("Abs" if name == "norm" else "Identity", x)
    else:
        y = reduced(call, REDUCTIONS[name], x, axes, call.param("keepdims", False))
    return y if dtype == wanted else call.write.cast(y, wanted)


@converter("var", "std")
def variance(call: Call) -> str:
    """The sum of squared distances from the mean, divided by the count less the correction."""
    write, axes, dtype = call.write, call.axes(), call.out_dtype
    x = call.as_type(0, dtype)
    apart = write.add("Sub", x, reduced(call, "ReduceMean", x, axes, keepdims=True))
    squares = write.add("Mul", apart, apart)
    total = reduced(call, "ReduceSum", squares, axes, call.param("keepdims", False))
    y = write.add("Div", total, count_of(call, axes, -call.param("correction", 1), dtype))
    return str(write.add("Sqrt", y)) if call.node.name == "std" else str(y)


def count_of(call: Call, axes: list[int], more: int, dtype: np.dtype[Any]) -> str:
    """How many elements are reduced to one, plus `more`, as a number of `dtype`."""
    write = call.write
    count = write.scalar(Dim(1))
    for axis in axes:
        count = write.add("Mul", count, write.scalar(call.shape(0)[axis]))
    return write.cast(write.add("Add", count, write.constant(np.int64(more))), dtype)


@converter("argmax", "argmin")
def place(call: Call) -> str:
    write, rank, axis = call.write, call.rank(0), call.param("axis")
    op = "ArgMax" if call.node.name == "argmax" else "ArgMin"
    x = call.x[0] if call.dtype(0).kind == "f" else call.as_type(0, np.int64)
    keep = call.param("keepdims", False)
    if axis is None:
        flat = write.add("Reshape", x, write.integers(-1))
        y = write.add(op, flat, axis=0, keepdims=0)
        return str(write.add("Reshape", y, write.integers([1] * rank))) if keep and rank else str(y)
    if rank == 0:
        return str(write.constant(np.int64(0)))
    return str(write.add(op, x, axis=axis, keepdims=int(keep)))


@converter("any", "all")
def truth(call: Call) -> str:
    """Count those that are true, or those that are not: a sum of nothing is 0, as it should be."""
    write, x = call.write, call.as_type(0, bool)
    counted = x if call.node.name == "any" else write.add("Not", x)
    ones = write.cast(counted, np.int64)
    count = reduced(call, "ReduceSum", ones, call.axes(), call.param("keepdims", False))
    some = write.cast(count, bool)
    return some if call.node.name == "any" else str(write.add("Not", some))


@converter("cumsum")
def cumsum(call: Call) -> str:
    dtype = call.out_dtype if call.out_dtype.kind == "f" else np.dtype(np.int64)
    x = call.as_type(0, dtype)
    if not call.rank(0):
        return str(call.write.add("Identity", x))
    axis = call.write.constant(np.int64(call.param("axis")))
    y = call.write.add("CumSum", x, axis)
    return str(y) if dtype == call.out_dtype else call.write.cast(y, call.out_dtype)
