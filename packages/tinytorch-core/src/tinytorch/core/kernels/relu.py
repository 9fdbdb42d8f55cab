"""ReLU and its gradient, block by block, around two weak spots of NumPy.

`np.maximum(x, 0)` compares with a number five times slower than with an array of zeros, and a
product with booleans takes three times as long as writing them out as 0.0 and 1.0 first.
"""

from typing import Any

import numpy as np

from tinytorch.core.kernels.blocks import BLOCK, ZEROS, dense, elements, scratch, worth_it
from tinytorch.core.primitive import Array, Record, kernel


def forward(arrays: list[Any], params: dict[str, Any], saving: bool) -> tuple[Array, None] | None:
    (x,) = arrays
    if not worth_it(x, least=1024):
        return None
    if x.size <= BLOCK and x.flags.c_contiguous:  # one block, and no walk through it
        return np.maximum(x, ZEROS[: x.size].reshape(x.shape)), None
    x = dense(x)
    out = np.empty_like(x)
    for xs, ys in elements(x, out):
        np.maximum(xs, ZEROS[: xs.size], out=ys)
    return out, None


def backward(g: Array, call: Record) -> Array:
    dx = np.empty_like(call.out)
    positive = np.empty(BLOCK, np.bool_)
    for ys, gs, slope in elements(call.out, g, dx):
        mask = scratch("relu", ys.size)
        np.copyto(mask, np.greater(ys, 0, out=positive[: ys.size]))
        np.multiply(gs, mask, out=slope)
    return dx


kernel("relu", forward, backward)
