"""Convolutions, pools and normalisation of images: each has a node of its own in ONNX."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinytorch.arch.ops.images import averages_of
from tinytorch.arch.walks import Walk, walk
from tinytorch.opt.onnx.calls import Call, converter


@converter("conv2d")
def conv2d(call: Call) -> str:
    operands = [call.as_type(i, call.out_dtype) for i, name in enumerate(call.x) if name]
    return str(call.write.add("Conv", *operands, **steps(call)))


def steps(call: Call) -> dict[str, Any]:
    """The attributes of a convolution, whose second operand is its weight."""
    way = walk_of(call, call.node.record.arrays[1].shape[2:])
    return {
        "strides": way.stride,
        "pads": [*way.before, *way.after],
        "dilations": way.dilation,
        "group": call.param("groups", 1),
    }


def walk_of(call: Call, kernel: Any) -> Walk:
    """Steps and margins; where the padding is "same" or "valid", what that comes to."""
    stride = call.param("stride", 1)
    return walk(
        call.node.name,
        call.node.record.arrays[0].shape[2:],
        kernel,
        kernel if stride is None else stride,
        call.param("padding", 0),
        call.param("dilation", 1),
    )


def window(call: Call) -> dict[str, Any]:
    """The attributes of a pool, whose steps are as large as the kernel unless given."""
    kernel = call.param("kernel_size")
    stride = call.param("stride")
    way = walk_of(call, kernel)
    return {
        "kernel_shape": way.kernel,
        "strides": way.kernel if stride is None else way.stride,
        "pads": [*way.before, *way.after],
    }


@converter("max_pool2d")
def max_pool2d(call: Call) -> str:
    """ONNX has none for integers, which float64 holds as they are."""
    wanted = call.out_dtype
    dtype = wanted if wanted.kind == "f" else np.dtype(np.float64)
    y = call.write.add("MaxPool", call.as_type(0, dtype), **window(call))
    return str(y) if dtype == wanted else call.write.cast(y, wanted)


@converter("avg_pool2d")
def avg_pool2d(call: Call) -> str:
    """The margin counts as zeros."""
    x = call.as_type(0, call.out_dtype)
    return str(call.write.add("AveragePool", x, **window(call), count_include_pad=1))


@converter("adaptive_avg_pool2d")
def adaptive_avg_pool2d(call: Call) -> str:
    """One patch is a global pool; several are two products with matrices of shares."""
    write, x = call.write, call.as_type(0, call.out_dtype)
    if [dim.constant for dim in call.out_shape()[2:]] == [1, 1]:
        return str(write.add("GlobalAveragePool", x))
    call.shape(0)  # the matrices are written down, so sizes must be known
    if None in [dim.constant for dim in call.shape(0)[2:]]:
        raise call.refuse("the images' size changes, and with it which pixels make a patch")
    rows, columns = averages_of(call.node.record.arrays[0], call.param("output_size"))
    averaged = write.add("MatMul", write.constant(rows), x)
    return str(write.add("MatMul", averaged, write.constant(np.ascontiguousarray(columns.T))))


def weights_of(call: Call) -> list[str]:
    """The names of weight and bias of each channel: ones and zeros where there are none."""
    channels = call.node.record.arrays[0].shape[1]
    return [
        call.x[i] or call.write.constant(np.full(channels, fill), call.out_dtype)
        for i, fill in ((1, 1), (2, 0))
    ]


@converter("batch_norm2d_eval")
def batch_norm2d_eval(call: Call) -> str:
    x, mean, var = (call.as_type(i, call.out_dtype) for i in (0, 3, 4))
    return str(
        call.write.add(
            "BatchNormalization", x, *weights_of(call), mean, var,
            epsilon=call.param("eps", 1e-5),
        )
    )  # fmt: skip


@converter("batch_norm2d")
def batch_norm2d(call: Call) -> tuple[str, str, str]:
    """With the batch's own mean and variance, as in training: (y, mean, variance)."""
    write, x, dtype = call.write, call.x[0], call.out_dtype
    over: dict[str, Any] = {"axes": [0, 2, 3]} if write.opset < 18 else {}
    where = [] if over else [write.integers([0, 2, 3])]
    mean = write.add("ReduceMean", x, *where, keepdims=1, **over)
    apart = write.add("Sub", x, mean)
    var = write.add("ReduceMean", write.add("Mul", apart, apart), *where, keepdims=1, **over)
    eps = write.constant(call.param("eps", 1e-5), dtype)
    y = write.add("Div", apart, write.add("Sqrt", write.add("Add", var, eps)))
    column = write.integers([-1, 1, 1])  # (C,) -> (C, 1, 1)
    weight, bias = (write.add("Reshape", name, column) for name in weights_of(call))
    y = write.add("Add", write.add("Mul", y, weight), bias)
    flat = write.integers(-1)
    return y, write.add("Reshape", mean, flat), write.add("Reshape", var, flat)
