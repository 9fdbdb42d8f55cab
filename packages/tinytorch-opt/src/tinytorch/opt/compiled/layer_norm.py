"""Layer norm, a row at a time: mean, variance and result while the row is in the cache.

The formulas, forward and backward, are those of the plain definition.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinytorch.arch.transformers import layer_norm as _defined  # noqa: F401  (it comes first)
from tinytorch.core.kernels.blocks import FLOAT32, rows
from tinytorch.core.primitive import Array, Record, kernel
from tinytorch.opt.compiled.compiling import ONE, compiled


@compiled
def values(x: Array, weight: Array, bias: Array, eps: float, out: Array, kept: Array) -> None:
    """kept (rows, 2) receives the mean of each row, and 1 / its deviation."""
    count, size = x.shape
    part = ONE / np.float32(size)
    for i in range(count):
        total = np.float32(0)
        for j in range(size):
            total += x[i, j]
        mean = total * part
        squares = np.float32(0)
        for j in range(size):
            squares += (x[i, j] - mean) * (x[i, j] - mean)
        scale = ONE / np.sqrt(squares * part + np.float32(eps))
        for j in range(size):
            out[i, j] = (x[i, j] - mean) * scale * weight[j] + bias[j]
        kept[i, 0], kept[i, 1] = mean, scale


@compiled
def slopes(
    x: Array, weight: Array, kept: Array, g: Array, dx: Array, dweight: Array, dbias: Array
) -> None:
    count, size = x.shape
    part = ONE / np.float32(size)
    for i in range(count):
        mean, scale = kept[i, 0], kept[i, 1]
        along_ones = along_y = np.float32(0)
        for j in range(size):
            y = (x[i, j] - mean) * scale
            dy = g[i, j] * weight[j]
            along_ones += dy
            along_y += dy * y
            dweight[j] += g[i, j] * y
            dbias[j] += g[i, j]
        along_ones, along_y = along_ones * part, along_y * part
        for j in range(size):
            y = (x[i, j] - mean) * scale
            dx[i, j] = (g[i, j] * weight[j] - along_ones - y * along_y) * scale


def forward(arrays: list[Any], params: dict[str, Any], saving: bool) -> Any:
    if len(arrays) != 3:
        return None
    x, weight, bias = arrays
    if type(x) is not np.ndarray or x.dtype is not FLOAT32 or x.ndim == 0 or not x.size:
        return None
    for parameter in (weight, bias):
        if parameter is not None and not (
            type(parameter) is np.ndarray
            and parameter.dtype is FLOAT32
            and parameter.shape == x.shape[-1:]
        ):
            return None
    size = x.shape[-1]
    out = np.empty(x.shape, np.float32)
    kept = np.empty((x.size // size, 2), np.float32)
    shift = np.zeros(size, np.float32) if bias is None else bias
    values(rows(x), scale_of(weight, size), shift, params.get("eps", 1e-5), rows(out), kept)
    return out, kept if saving else None


def backward(g: Array, call: Record) -> tuple[Any, ...]:
    x, weight, bias = call.arrays
    size = x.shape[-1]
    dx = np.empty(x.shape, np.float32)
    dweight, dbias = np.zeros(size, np.float32), np.zeros(size, np.float32)
    slopes(rows(x), scale_of(weight, size), call.saved, rows(g), rows(dx), dweight, dbias)
    return dx, None if weight is None else dweight, None if bias is None else dbias


def scale_of(weight: Array | None, size: int) -> Array:
    return np.ones(size, np.float32) if weight is None else np.ascontiguousarray(weight)


kernel("layer_norm", forward, backward, into="compiled")
