"""RMS norm some rows at a time, with one number a row kept: see `layer_norm.py`, which has a mean.

With y = x / size and dy = g * weight:  dx = (dy - y mean(dy y)) / size.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinytorch.arch.kernels.layer_norm import fits, in_each_row, parts, rows_of
from tinytorch.core.kernels.blocks import ones, rows
from tinytorch.core.primitive import Array, Record, kernel


def forward(
    arrays: list[Any], params: dict[str, Any], saving: bool
) -> tuple[Array, Array | None] | None:
    if len(arrays) != 2 or not fits(*arrays):
        return None
    x, weight = arrays
    k = x.shape[-1]
    weights = in_each_row("weights", weight, x)
    out = np.empty(x.shape, np.float32)
    inverse = np.empty(x.size // k, np.float32)  # 1 / size
    for xs, ys, scale in parts(rows(x), rows(out), inverse):
        np.vecdot(xs, xs, out=scale)
        np.multiply(scale, 1 / k, out=scale)
        np.add(scale, params.get("eps", 1e-6), out=scale)
        np.sqrt(scale, out=scale)
        np.divide(1, scale, out=scale)
        np.multiply(xs, scale[:, np.newaxis], out=ys)
        if weights is not None:
            np.multiply(ys, weights[: len(ys)], out=ys)
    return out, inverse if saving else None


def backward(g: Array, call: Record) -> tuple[Any, ...]:
    x, weight = call.arrays
    k = x.shape[-1]
    weights = in_each_row("weights", weight, x)
    dx = np.empty(x.shape, np.float32) if call.needs[0] else None
    dweight = np.zeros(k, np.float32) if call.needs[1] else None
    slopes = None if dx is None else rows(dx)
    for xs, gs, slope, scale in parts(rows(x), rows(g), slopes, call.saved):
        n = len(xs)
        y, product = rows_of("y", n, k), rows_of("product", n, k)
        np.multiply(xs, scale[:, np.newaxis], out=y)
        if dweight is not None:
            np.multiply(gs, y, out=product)
            dweight += ones(n) @ product
        if slope is None:
            continue
        if weights is not None:
            np.multiply(gs, weights[:n], out=slope)
        else:
            np.copyto(slope, gs)
        along_y = np.vecdot(slope, y)
        np.multiply(along_y, 1 / k, out=along_y)
        np.multiply(y, along_y[:, np.newaxis], out=y)
        np.subtract(slope, y, out=slope)
        np.multiply(slope, scale[:, np.newaxis], out=slope)
    return dx, dweight


kernel("rms_norm", forward, backward)
