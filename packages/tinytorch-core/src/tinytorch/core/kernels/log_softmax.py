"""Log-softmax over the last axis, some rows at a time: x - log(sum(exp(x))), see softmax.py."""

from typing import Any

import numpy as np

from tinytorch.core.kernels.blocks import ones, rows, scratch
from tinytorch.core.kernels.softmax import along_rows, exponentials, row_blocks
from tinytorch.core.primitive import Array, Record, kernel


def forward(arrays: list[Any], params: dict[str, Any], saving: bool) -> tuple[Array, None] | None:
    (x,) = arrays
    if not along_rows(x, params):
        return None
    out = np.empty(x.shape, np.float32)
    for xs, ys in row_blocks(rows(x), rows(out)):
        e = scratch("log_softmax", xs.size).reshape(xs.shape)
        shift, sums = exponentials(xs, e)
        log_sum = np.log(sums)[:, np.newaxis]
        np.subtract(xs, shift, out=ys)  # first: x and a large shift cancel without rounding
        np.subtract(ys, log_sum, out=ys)
    return out, None


def backward(g: Array, call: Record) -> Array:
    dx = np.empty(g.shape, np.float32)
    for ys, gs, slope in row_blocks(rows(call.out), rows(g), rows(dx)):
        np.exp(ys, out=slope)
        np.multiply(slope, (gs @ ones(gs.shape[1]))[:, np.newaxis], out=slope)
        np.subtract(gs, slope, out=slope)
    return dx


kernel("log_softmax", forward, backward)
