"""Sigmoid as 1 / (1 + exp(-x)), block by block, in place.

The plain definition never lets exp overflow. Here it may: exp(-x) is infinite for x < -88, and
1 / infinity is the 0 that float32 would round the true value to.
"""

from typing import Any

import numpy as np

from tinytorch.core.kernels.blocks import dense, elements, scratch, worth_it
from tinytorch.core.primitive import Array, Record, kernel


def forward(arrays: list[Any], params: dict[str, Any], saving: bool) -> tuple[Array, None] | None:
    (x,) = arrays
    if not worth_it(x):
        return None
    x = dense(x)
    out = np.empty_like(x)
    with np.errstate(over="ignore"):
        for xs, ys in elements(x, out):
            np.negative(xs, out=ys)
            np.exp(ys, out=ys)
            np.add(ys, 1, out=ys)
            np.divide(1, ys, out=ys)
    return out, None


def backward(g: Array, call: Record) -> Array:
    dx = np.empty_like(call.out)
    for ys, gs, slope in elements(call.out, g, dx):
        rest = np.subtract(1, ys, out=scratch("sigmoid", ys.size))
        np.multiply(gs, ys, out=slope)
        np.multiply(slope, rest, out=slope)
    return dx


kernel("sigmoid", forward, backward)
