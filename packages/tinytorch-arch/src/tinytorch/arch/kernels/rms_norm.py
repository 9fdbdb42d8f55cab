"""RMS norm by thin products (`norms.py`), with one number a row kept: s = 1 / size.

y = x s, times weight. With dy = g * weight:  dx = s dy - (s s s mean(dy x)) x.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinytorch.arch.kernels.norms import fits, inverse_root, mean_square, pair, parts
from tinytorch.core.kernels.blocks import rows
from tinytorch.core.primitive import Array, Record, kernel


def forward(
    arrays: list[Any], params: dict[str, Any], saving: bool
) -> tuple[Array, Array | None] | None:
    if len(arrays) != 2 or not fits(*arrays):
        return None
    x, weight = arrays
    lines = rows(x)
    factors = np.zeros((len(lines), 2), np.float32)  # s, 0
    factors[:, 0] = inverse_root(mean_square(lines), params.get("eps", 1e-6))
    weights = pair(weight, None, x.shape[-1])
    out = np.empty(x.shape, np.float32)
    for xs, ys, f, product, _ in parts(lines, rows(out), factors):
        np.matmul(f, weights, out=product)
        np.multiply(product, xs, out=ys)
    return out, factors if saving else None


def backward(g: Array, call: Record) -> tuple[Any, ...]:
    x, weight = call.arrays
    k = x.shape[-1]
    weights, same = pair(weight, None, k), pair(None, None, k)
    dx = np.empty(x.shape, np.float32) if call.needs[0] else None
    dweight = np.zeros(k, np.float32) if call.needs[1] else None
    slopes = None if dx is None else rows(dx)
    for xs, gs, slope, f, product, total in parts(rows(x), rows(g), slopes, call.saved):
        np.multiply(gs, xs, out=product)
        if dweight is not None:
            dweight += f[:, 0] @ product
        if slope is None:
            continue
        of_x = np.zeros_like(f)
        of_x[:, 0] = product @ weights[0]
        of_x *= -1 / k * f[:, :1] ** 3
        np.matmul(f, weights, out=total)
        np.multiply(total, gs, out=total)
        np.matmul(of_x, same, out=product)
        np.multiply(product, xs, out=product)
        np.add(total, product, out=slope)
    return dx, dweight


kernel("rms_norm", forward, backward)
