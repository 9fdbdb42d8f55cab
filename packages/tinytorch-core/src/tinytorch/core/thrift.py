"""Which large arrays a record need not keep, because the gradient rule will not read them.

A record keeps its operands and its output until `backward` has been there. The gradient of a sum
needs neither, that of ReLU only the output; so of a layer and a ReLU after it one array has to
stay, not two. What may go is replaced by an array of the same shape and type that holds one NaN:
rules find the shapes, and one that reads more than stands here gives NaN, which a test would see.

Everything stays where somebody listens, under `kernels.use("plain")`, where the definition, the
rule or the kernel is a student's or a user's, and until module 06 is loaded: what others read is
not known here. Left out: small arrays, where this would cost more than it saves.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinytorch.core.context import current
from tinytorch.core.primitive import RULES, Array, Record, defined_outside, is_tensor, wrap

# What the rule and the backward of the kernel read, besides shapes and types. A tier adds its own
# before it defines the primitive: READS["conv2d"] = frozenset({"arrays"}).
READS: dict[str, frozenset[str]] = {
    **dict.fromkeys(("add", "sub", "neg", "reshape", "transpose"), frozenset()),
    **dict.fromkeys(("mul", "log", "matmul", "linear", "gelu"), frozenset({"arrays"})),
    **dict.fromkeys(
        ("exp", "relu", "sigmoid", "tanh", "softmax", "log_softmax"), frozenset({"out"})
    ),
}
NOTHING = b"\xff" * 16  # NaN in every floating-point type


def reads_output(name: str) -> bool:
    """Whether the rule of a primitive reads the output, as far as that is known."""
    return defined_outside(RULES.get(name)) or "out" in READS.get(name, {"out"})


def forget(record: Record) -> None:
    """Let go of the large arrays of a call that its gradient rule will not read.

    An operand that a call made is replaced by a stand-in that leads to the same record. Leaves
    stay: their gradients arrive there. A later change in place of what was let go is not noticed,
    and changes no gradient.
    """
    context = current()
    name = record.primitive.name
    rule = RULES.get(name)
    if record.kernel is not None and record.kernel.own:
        return
    if context.listeners or context.kernels == "plain" or rule is None or defined_outside(rule):
        return
    if "out" not in READS[name]:
        several = isinstance(record.out, tuple)
        record.out = tuple(map(absent, record.out)) if several else absent(record.out)
    if "arrays" not in READS[name]:
        operands = list(record.operands)
        for i, operand in enumerate(operands):
            if is_tensor(operand) and operand.node is not None:
                operands[i] = stand_in = without_data(operand)
                record.arrays[i] = stand_in.data
        record.operands = tuple(operands)


def without_data(tensor: Any) -> Any:
    """Return a tensor that leads to the same record, with the shape and type of the data only."""
    stand_in = wrap(absent(tensor.data), tensor.node, tensor.place)
    stand_in._version = tensor._version
    return stand_in


def absent(array: Array) -> Array:
    """Return an array of the same shape and type that takes no memory: every element is one NaN."""
    return np.ndarray(array.shape, array.dtype, NOTHING, strides=(0,) * array.ndim)
