"""Softmax over the last axis: each row in two loops, while it is in the first-level cache.

The largest of a row is subtracted only where the sum of the exponentials says that it has to be, as
in core's `kernels/softmax.py`: to seek it takes longer than all the rest, because a search that
must find a nan compares one element at a time.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinytorch.core.kernels.blocks import FLOAT32, rows
from tinytorch.core.primitive import Array, Record, kernel
from tinytorch.opt.compiled.compiling import ONE, compiled, exp

LEAST, MOST = np.float32(1e-6), np.float32(1e37)  # sums of exponentials that can be trusted


@compiled
def exponentials(x: Array, shift: np.float32, out: Array) -> np.float32:
    """Write exp(x - shift) of a row into `out`; return their sum."""
    total = np.float32(0)
    for j in range(x.size):
        e = exp(x[j] - shift)
        out[j] = e
        total += e
    return total


@compiled
def values(x: Array, out: Array) -> None:
    for i in range(len(x)):
        total = exponentials(x[i], np.float32(0), out[i])
        if not (total > LEAST and total < MOST):  # as well for a nan
            largest = x[i, 0]
            for j in range(x.shape[1]):
                largest = x[i, j] if x[i, j] > largest else largest
            total = exponentials(x[i], largest, out[i])
        share = ONE / total
        for j in range(x.shape[1]):
            out[i, j] *= share


@compiled
def slopes(p: Array, g: Array, out: Array) -> None:
    count, size = p.shape
    for i in range(count):
        along = np.float32(0)
        for j in range(size):
            along += p[i, j] * g[i, j]
        for j in range(size):
            out[i, j] = p[i, j] * (g[i, j] - along)


def forward(arrays: list[Any], params: dict[str, Any], saving: bool) -> tuple[Array, None] | None:
    (x,) = arrays
    if type(x) is not np.ndarray or x.dtype is not FLOAT32 or not x.size:
        return None
    if x.ndim == 0 or params.get("axis", -1) not in (-1, x.ndim - 1):
        return None
    out = np.empty(x.shape, np.float32)
    values(rows(x), rows(out))
    return out, None


def backward(g: Array, call: Record) -> Array:
    dx = np.empty(g.shape, np.float32)
    slopes(rows(call.out), rows(g), rows(dx))
    return dx


kernel("softmax", forward, backward, into="compiled")
