"""Losses, for a model whose result is one: written out, with the same care for large numbers."""

from __future__ import annotations

import numpy as np

from tinytorch.opt.onnx.calls import Call, converter
from tinytorch.opt.onnx.converters.products import log_of_softmax


def combined(call: Call, losses: str) -> str:
    """The mean or the sum of all losses, or each of them."""
    how = call.param("reduction", "mean")
    if how == "none":
        return losses
    op = "ReduceMean" if how == "mean" else "ReduceSum"
    return str(call.write.add(op, losses, keepdims=0))


@converter("mse_loss")
def mse_loss(call: Call) -> str:
    x, y = (call.as_type(i, call.out_dtype) for i in (0, 1))
    apart = call.write.add("Sub", x, y)
    return combined(call, call.write.add("Mul", apart, apart))


@converter("cross_entropy")
def cross_entropy(call: Call) -> str:
    """Minus the sum over the classes of wanted times log softmax; classes are axis 1."""
    write, dtype = call.write, call.out_dtype
    classes = call.node.record.arrays[0].shape[1]
    if call.rank(1) == call.rank(0):
        wanted = call.as_type(1, dtype)
    else:
        numbers = np.arange(classes).reshape(classes, *[1] * (call.rank(0) - 2))
        target = write.add("Unsqueeze", call.as_type(1, np.int64), write.integers(1))
        wanted = write.cast(write.add("Equal", target, write.constant(numbers)), dtype)
    smoothing = call.param("label_smoothing", 0.0)
    if smoothing:
        share = write.constant(smoothing / classes, dtype)
        wanted = write.add("Mul", wanted, write.constant(1 - smoothing, dtype))
        wanted = write.add("Add", wanted, share)
    log_p = log_of_softmax(call, 1)
    total = write.add(
        "ReduceSum", write.add("Mul", wanted, log_p), write.integers(1), keepdims=0
    )  # fmt: skip
    return combined(call, write.add("Neg", total))


@converter("binary_cross_entropy")
def binary_cross_entropy(call: Call) -> str:
    """Logarithms stop at -100."""
    write, dtype = call.write, call.out_dtype
    p, target = (call.as_type(i, dtype) for i in (0, 1))
    one, low = write.constant(1, dtype), write.constant(-100, dtype)
    log_p = write.add("Max", write.add("Log", p), low)
    log_not_p = write.add("Max", write.add("Log", write.add("Sub", one, p)), low)
    yes = write.add("Mul", target, log_p)
    no = write.add("Mul", write.add("Sub", one, target), log_not_p)
    return combined(call, write.add("Neg", write.add("Add", yes, no)))


@converter("binary_cross_entropy_with_logits")
def binary_cross_entropy_with_logits(call: Call) -> str:
    """max(x, 0) - x * target + log(1 + exp(-|x|))."""
    write, dtype = call.write, call.out_dtype
    x, target = (call.as_type(i, dtype) for i in (0, 1))
    small = write.add("Exp", write.add("Neg", write.add("Abs", x)))
    logarithm = write.add("Log", write.add("Add", write.constant(1, dtype), small))
    rest = write.add("Sub", write.add("Relu", x), write.add("Mul", x, target))
    return combined(call, write.add("Add", rest, logarithm))
