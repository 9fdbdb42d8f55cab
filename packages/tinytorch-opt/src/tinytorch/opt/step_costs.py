"""The costs of all primitives without a matrix product: so many steps for each element.

A step is one pass of arithmetic over an array: an addition, a comparison, an exponential. The
numbers are those of the plain definitions and rules, and a test counts them again by running each
with arrays that count. Left out: products (`costs.py`).
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from tinytorch.arch.walks import pair
from tinytorch.core.primitive import Event, Record
from tinytorch.opt.costs import Cost, arrays_in, cost, moved, stored

AS_IT_IS = None  # the gradient is passed on as it came, or as a view: nothing is computed or moved


class Steps(NamedTuple):
    """Steps for each element of the largest array of a call.

    backward  for each operand, what its gradient adds to the cost of the rule
    reads     what the rule reads besides the gradient: see `moved`
    """

    forward: int
    backward: tuple[int | None, ...] = ()
    reads: str = ""


STEPS = {
    # arithmetic, element by element
    "add": Steps(1, (AS_IT_IS, AS_IT_IS)),
    "sub": Steps(1, (AS_IT_IS, 1)),
    "mul": Steps(1, (1, 1), "p"),
    "div": Steps(1, (1, 3), "xy"),
    "pow": Steps(1, (4, 5), "xy"),
    "neg": Steps(1, (1,)),
    "exp": Steps(1, (1,), "y"),
    "log": Steps(1, (1,), "x"),
    "log1p": Steps(1, (2,), "x"),
    "sqrt": Steps(1, (2,), "y"),
    "abs": Steps(1, (2,), "x"),
    "sin": Steps(1, (2,), "x"),
    "cos": Steps(1, (3,), "x"),
    **dict.fromkeys(("sign", "floor", "ceil", "round"), Steps(1, (0,))),
    "clip": Steps(1, (5,), "x"),
    **dict.fromkeys(("maximum", "minimum"), Steps(1, (6, 3), "xy")),
    # activations
    "relu": Steps(1, (2,), "y"),
    "sigmoid": Steps(6, (3,), "y"),
    "tanh": Steps(1, (3,), "y"),
    "gelu": Steps(9, (19,), "x"),
    "softmax": Steps(5, (4,), "y"),
    "log_softmax": Steps(5, (4,), "y"),
    # true or false: no gradient
    **dict.fromkeys(
        ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal"), Steps(1)
    ),
    **dict.fromkeys(("logical_and", "logical_or", "logical_not", "isnan", "isfinite"), Steps(1)),
    # reductions
    "sum": Steps(1, (AS_IT_IS,)),
    "mean": Steps(1, (AS_IT_IS,)),
    "max": Steps(1, (4,), "xy"),
    "min": Steps(1, (4,), "xy"),
    "prod": Steps(1, (4,), "x"),
    "var": Steps(4, (4,), "x"),
    "std": Steps(4, (4,), "xy"),
    "norm": Steps(2, (1,), "xy"),
    "logsumexp": Steps(4, (3,), "xy"),
    "cumsum": Steps(1, (1,)),
    **dict.fromkeys(("any", "all", "argmax", "argmin"), Steps(1)),
    # losses; the target rarely wants a gradient
    "mse_loss": Steps(3, (3, 1), "x"),
    "cross_entropy": Steps(7, (9, 2), "x"),
    "binary_cross_entropy": Steps(15, (6, 7), "x"),
    "binary_cross_entropy_with_logits": Steps(11, (8, 1), "x"),
    # normalisation: weight and bias come after x, which bears the common part
    "layer_norm": Steps(7, (14, 1, 1), "x"),
    "rms_norm": Steps(4, (10, 1), "x"),
    "batch_norm2d": Steps(9, (21, 1, 1), "x"),
    "batch_norm2d_eval": Steps(4, (4, 2, 1, 1, 2), "x"),
    # the same elements, elsewhere: views, mostly
    **dict.fromkeys(("reshape", "transpose", "permute", "squeeze", "expand_dims"),
                    Steps(0, (AS_IT_IS,))),
    **dict.fromkeys(("broadcast_to", "flip", "clone", "pad", "split"), Steps(0, (AS_IT_IS,))),
    "cast": Steps(0, (AS_IT_IS, AS_IT_IS)),
    "convert": Steps(0),
    "tile": Steps(0, (1,)),
    "repeat": Steps(0, (1,)),
    # chosen by a condition or a place: np.where makes no step, but moves everything
    "where": Steps(0, (AS_IT_IS, 0, 0)),
    "masked_fill": Steps(0, (0, AS_IT_IS)),
    "tril": Steps(0, (0,)),
    "triu": Steps(0, (0,)),
    "one_hot": Steps(0),
    # a turn is a product of complex numbers: 6 steps for each pair of elements
    "rotary": Steps(3, (3,)),
    "adaptive_avg_pool2d": Steps(1, (1,)),
}  # fmt: skip


def largest(record: Record) -> int:
    """The number of elements of the largest array of a call."""
    return max((a.size for a in arrays_in([record.arrays, record.out])), default=0)


@cost(*STEPS)
def steps_cost(event: Event) -> Cost:
    """So many steps for each element, as `STEPS` says."""
    record = event.record
    steps = STEPS[record.primitive.name]
    if event.kind == "forward":
        return Cost(0, steps.forward * largest(record), moved(event))
    each = zip(steps.backward, record.needs, strict=False)
    other = sum(n or 0 for n, need in each if need) * largest(record)
    passed = tuple(n is AS_IT_IS for n in steps.backward)
    return Cost(0, other, moved(event, steps.reads, passed))


@cost("concat")
def concat_cost(event: Event) -> Cost:
    """A copy of each operand; their gradients are views of the given one."""
    return Cost(0, 0, moved(event) if event.kind == "forward" else 0)


@cost("argsort")
def argsort_cost(event: Event) -> Cost:
    """n log2(n) comparisons for each row of n, of which there is no gradient."""
    (x,) = event.record.arrays
    n = np.shape(x)[event.record.params.get("axis", -1)] if np.ndim(x) else 1
    return Cost(0, round(np.size(x) * math.log2(max(n, 1))), moved(event))


@cost("getitem", "embedding", "take_along_axis")
def gather_cost(event: Event) -> Cost:
    """Only what is taken is read, not the whole table; backward fills and adds to all of it."""
    record = event.record
    size = np.size(record.out)
    if event.kind == "backward":
        return Cost(0, size, moved(event, ""))
    if record.primitive.name == "embedding":
        places: Any = record.arrays[0]
    else:
        places = record.arrays[1:] or list(arrays_in(record.params.get("index")))
    taken = sum(map(stored, arrays_in(places)))
    return Cost(0, 0, 2 * record.out.nbytes + taken if moved(event) else 0)


@cost("max_pool2d", "avg_pool2d")
def pool2d_cost(event: Event) -> Cost:
    """Every output pixel meets each place of the kernel once, and in backward once more."""
    record = event.record
    meetings = np.size(record.out) * math.prod(pair(record.params["kernel_size"]))
    if event.kind == "forward":
        return Cost(0, meetings, moved(event))
    if record.primitive.name == "avg_pool2d":
        return Cost(0, meetings, moved(event, ""))
    return Cost(0, 6 * meetings, moved(event, "xy"))
