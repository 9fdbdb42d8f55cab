"""Products of matrices, and layers that are little else."""

from __future__ import annotations

import numpy as np

from tinytorch.opt.onnx.calls import Call, converter
from tinytorch.opt.onnx.dimensions import Dim


@converter("matmul")
def matmul(call: Call) -> str:
    dtype = call.out_dtype if call.out_dtype.kind == "f" else np.dtype(np.int64)
    y = call.write.add("MatMul", call.as_type(0, dtype), call.as_type(1, dtype))
    return str(y) if dtype == call.out_dtype else call.write.cast(y, call.out_dtype)


@converter("linear")
def linear(call: Call) -> str:
    """Rows times weights: with a bias and two axes one node, Gemm."""
    x, weight, bias = (
        call.as_type(i, call.out_dtype) if name else "" for i, name in enumerate(call.x)
    )
    if call.rank(0) == 2 and bias:
        return str(call.write.add("Gemm", x, weight, bias))
    y = call.write.add("MatMul", x, weight)
    return str(call.write.add("Add", y, bias)) if bias else str(y)


@converter("contract")
def contract(call: Call) -> str:
    """An axis of size 1 that stands for a longer one is made as long: ONNX's checks ask for it."""
    terms = call.param("subscripts").partition("->")[0].split(",")
    sizes: dict[str, Dim] = {}
    for i, term in enumerate(terms):
        for letter, dim in zip(term, call.shape(i), strict=True):
            if sizes.get(letter, Dim(1)) == Dim(1):
                sizes[letter] = dim
    operands = []
    for i, term in enumerate(terms):
        name, wanted = call.as_type(i, call.out_dtype), tuple(sizes[letter] for letter in term)
        if call.shape(i) != wanted:
            name = call.write.add("Expand", name, call.write.shape(wanted))
        operands.append(name)
    return str(call.write.add("Einsum", *operands, equation=call.param("subscripts")))


@converter("softmax")
def softmax(call: Call) -> str:
    return str(call.write.add("Softmax", call.x[0], axis=call.param("axis", -1)))


@converter("log_softmax")
def log_softmax(call: Call) -> str:
    return log_of_softmax(call, call.param("axis", -1))


def log_of_softmax(call: Call, axis: int) -> str:
    """x - log(sum(exp(x))). LogSoftmax would do, but onnx's own evaluator takes log(0) in it."""
    write, x = call.write, call.x[0]
    if write.opset >= 18:
        total = write.add("ReduceLogSumExp", x, write.integers(axis), keepdims=1)
    else:
        total = write.add("ReduceLogSumExp", x, axes=[axis], keepdims=1)
    return str(write.add("Sub", x, total))
