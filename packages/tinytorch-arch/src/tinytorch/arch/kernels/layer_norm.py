"""Layer norm some rows at a time, with two numbers a row kept instead of normalised rows.

Sums over a row are products that BLAS does (`vecdot`, with ones), three times faster than NumPy's
mean. Weights and biases are first written out for a whole block of rows: a product of two equal
blocks is one long loop, one with a single row is a loop for each row.

Backward recomputes y = (x - mean) / deviation, two walks through a block that is in the cache. To
take sums of x for sums of y would save them, and digits where the mean is far from 0 with it.
With dy = g * weight:  dx = (dy - mean(dy) - y mean(dy y)) / deviation.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from tinytorch.core.kernels.blocks import BLOCK, FLOAT32, ones, rows, scratch
from tinytorch.core.primitive import Array, Record, kernel

STEP = 2 * BLOCK  # elements of a block: half a dozen of them fit a second-level cache of 1 MiB


class Saved(NamedTuple):
    """What forward leaves for backward: two numbers for each row."""

    mean: Array
    inverse: Array  # 1 / deviation


def rows_of(name: str, n: int, k: int) -> Array:
    """An array to compute in, of n rows of k."""
    return scratch(f"layer norm {name}", n * k).reshape(n, k)


def in_each_row(name: str, values: Array | None, x: Array) -> Array | None:
    """The parameters, written out for each row of a block of x; None stays None."""
    if values is None:
        return None
    k = len(values)
    block = rows_of(name, min(x.size // k, max(1, STEP // k)), k)
    block[...] = values
    return block


def parts(*arrays: Array | None) -> Iterator[list[Any]]:
    """Walk through arrays of equally many rows, a block at a time; None stays None."""
    first = arrays[0]
    assert first is not None
    step = max(1, STEP // first.shape[1])
    for start in range(0, len(first), step):
        yield [None if a is None else a[start : start + step] for a in arrays]


def fits(x: Any, *parameters: Any) -> bool:
    """Whether these are for this kernel: float32, some rows, and one parameter for each feature."""
    return (
        type(x) is np.ndarray
        and x.dtype is FLOAT32
        and x.ndim > 0
        and x.size > 0
        and all(
            p is None or (type(p) is np.ndarray and p.dtype is FLOAT32 and p.shape == x.shape[-1:])
            for p in parameters
        )
    )


def forward(
    arrays: list[Any], params: dict[str, Any], saving: bool
) -> tuple[Array, Saved | None] | None:
    if len(arrays) != 3 or not fits(*arrays):
        return None
    x, weight, bias = arrays
    k = x.shape[-1]
    weights, biases = in_each_row("weights", weight, x), in_each_row("biases", bias, x)
    out = np.empty(x.shape, np.float32)
    mean = np.empty(x.size // k, np.float32)
    inverse = np.empty(x.size // k, np.float32)
    for xs, ys, m, scale in parts(rows(x), rows(out), mean, inverse):
        np.vecdot(xs, ones(k), out=m)
        np.multiply(m, 1 / k, out=m)
        np.subtract(xs, m[:, np.newaxis], out=ys)
        np.vecdot(ys, ys, out=scale)
        np.multiply(scale, 1 / k, out=scale)
        np.add(scale, params.get("eps", 1e-5), out=scale)
        np.sqrt(scale, out=scale)
        np.divide(1, scale, out=scale)
        np.multiply(ys, scale[:, np.newaxis], out=ys)
        if weights is not None:
            np.multiply(ys, weights[: len(ys)], out=ys)
        if biases is not None:
            np.add(ys, biases[: len(ys)], out=ys)
    return out, Saved(mean, inverse) if saving else None


def backward(g: Array, call: Record) -> tuple[Any, ...]:
    x, weight, _ = call.arrays
    needs_x, needs_weight, needs_bias = call.needs
    saved: Saved = call.saved
    k = x.shape[-1]
    weights = in_each_row("weights", weight, x)
    dx = np.empty(x.shape, np.float32) if needs_x else None
    dweight = np.zeros(k, np.float32) if needs_weight else None
    dbias = np.zeros(k, np.float32) if needs_bias else None
    slopes = None if dx is None else rows(dx)
    for xs, gs, slope, m, scale in parts(rows(x), rows(g), slopes, saved.mean, saved.inverse):
        n = len(xs)
        y, product = rows_of("y", n, k), rows_of("product", n, k)
        np.subtract(xs, m[:, np.newaxis], out=y)
        np.multiply(y, scale[:, np.newaxis], out=y)
        if dweight is not None:
            np.multiply(gs, y, out=product)
            dweight += ones(n) @ product
        if dbias is not None:
            dbias += ones(n) @ gs
        if slope is None:
            continue
        if weights is not None:
            np.multiply(gs, weights[:n], out=slope)
        else:
            np.copyto(slope, gs)
        along_y = np.vecdot(slope, y)
        np.multiply(along_y, 1 / k, out=along_y)
        along_ones = np.vecdot(slope, ones(k))
        np.multiply(along_ones, 1 / k, out=along_ones)
        np.multiply(y, along_y[:, np.newaxis], out=y)
        np.subtract(slope, y, out=slope)
        np.subtract(slope, along_ones[:, np.newaxis], out=slope)
        np.multiply(slope, scale[:, np.newaxis], out=slope)
    return dx, dweight, dbias


kernel("layer_norm", forward, backward)
