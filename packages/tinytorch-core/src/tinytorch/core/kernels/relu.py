"""The gradient of ReLU, block by block: the mask of a block stays in the cache.

Forward has nothing to gain (one NumPy call, one pass), so it declines unless a gradient will be
wanted, and then does what the plain definition does.
"""

from typing import Any

import numpy as np

from tinytorch.core.kernels.blocks import BLOCK, dense, elements, worth_it
from tinytorch.core.primitive import Array, Record, kernel


def forward(arrays: list[Any], params: dict[str, Any], saving: bool) -> tuple[Array, None] | None:
    (x,) = arrays
    if not (saving and worth_it(x)):
        return None
    return np.maximum(dense(x), 0), None


def backward(g: Array, call: Record) -> Array:
    dx = np.empty_like(call.out)
    positive = np.empty(BLOCK, np.bool_)
    for ys, gs, slope in elements(call.out, g, dx):
        mask = np.greater(ys, 0, out=positive[: ys.size])
        np.multiply(gs, mask, out=slope)
    return dx


kernel("relu", forward, backward)
