"""Max and average pooling by slices, some images at a time, in whatever layout they have.

The plain definitions copy the images into a margin with their channels last. Without a margin the
patches can be taken from the images as they are. Rows are combined first and columns of the result
then: kh + kw slices in place of kh kw, and those of rows are long runs of memory. Backward takes a
slice for each place of the kernel; where patches do not overlap, each pixel has one answer, so the
gradient is written and not added up.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from tinytorch.arch.kernels.frames import CHUNK, frame, is_images
from tinytorch.arch.walks import Pair, Walk, pool_walk
from tinytorch.core.kernels.blocks import scratch
from tinytorch.core.primitive import Array, Record, kernel


class Way(NamedTuple):
    """How a pooling goes: its walk, and for each row and column of the kernel what it meets."""

    walk: Walk
    rows: list[slice]
    columns: list[slice]
    places: list[tuple[slice, slice]]  # each of the rows with each of the columns
    margin: bool  # whether there is one
    apart: bool  # whether no two patches share a pixel
    full: bool  # whether every pixel is in a patch


def way_for(name: str, x: Any, params: dict[str, Any]) -> Way | None:
    """Return the way of a call, or None where the plain definition shall take it."""
    if not is_images(x):
        return None
    try:
        return known_way(
            name,
            x.shape[2:],
            params["kernel_size"],
            params.get("stride"),
            params.get("padding", 0),
        )
    except (KeyError, TypeError, ValueError):  # a list cannot be looked up; a wrong size is none
        return None


@lru_cache(maxsize=256)
def known_way(name: str, image: Pair, kernel: Any, stride: Any, padding: Any) -> Way:
    """Work a way out once. Raises ValueError where there is none."""
    walk = pool_walk(name, (1, 1, *image), kernel, stride, padding)
    rows, columns = (
        [slice(i, i + s * (n - 1) + 1, s) for i in range(k)]
        for k, s, n in zip(walk.kernel, walk.stride, walk.out, strict=True)
    )
    framed = [n + b + a for n, b, a in zip(image, walk.before, walk.after, strict=True)]
    covered = [k * n for k, n in zip(walk.kernel, walk.out, strict=True)]
    return Way(
        walk,
        rows,
        columns,
        [(row, column) for row in rows for column in columns],
        max(walk.before) > 0,
        all(s >= k for s, k in zip(walk.stride, walk.kernel, strict=True)),
        walk.stride == walk.kernel and covered == framed,
    )


def is_channels_last(x: Array) -> bool:
    """Whether the channels of (N, C, H, W) are next to each other in memory."""
    return x.transpose(0, 2, 3, 1).flags.c_contiguous


def room(shape: tuple[int, ...], last: bool, name: str = "", zeros: bool = False) -> Array:
    """Return an array (N, C, H, W), in memory with its channels last or not.

    With a name it is a buffer of this thread, without one it is new.
    """
    count, channels, height, width = shape
    lies = (count, height, width, channels) if last else shape
    if name:
        array = scratch(name, math.prod(shape)).reshape(lies)
    else:
        array = np.zeros(lies, np.float32) if zeros else np.empty(lies, np.float32)
    return array.transpose(0, 3, 1, 2) if last else array


def pieces(x: Array, way: Way, fill: float) -> Iterator[tuple[slice, Array]]:
    """Walk through images some at a time: which, and they themselves, in a margin if need be."""
    step = max(1, CHUNK * len(x) // (2 * x.size))
    if len(x) <= step and not way.margin:
        yield slice(None), x
        return
    for start in range(0, len(x), step):
        these = slice(start, min(start + step, len(x)))
        if way.margin:
            stage = frame("pool", len(x[these]), (*x.shape[2:], x.shape[1]), way.walk, fill)
            stage.inside[...] = x[these].transpose(0, 2, 3, 1)
            yield these, stage.padded.transpose(0, 3, 1, 2)
        else:
            yield these, x[these]


def reduced(x: Array, way: Way, fill: float, combine: np.ufunc) -> Array:
    """Combine what the rows of the kernel meet, and of that what its columns meet."""
    last = is_channels_last(x)
    y = room((*x.shape[:2], *way.walk.out), last)
    for these, images in pieces(x, way, fill):
        count, channels, _, width = images.shape
        shape = count, channels, way.walk.out[0], width
        lines = room(shape, last or way.margin, "pool lines")
        combined([images[:, :, rows] for rows in way.rows], combine, lines)
        combined([lines[:, :, :, columns] for columns in way.columns], combine, y[these])
    return y


def combined(parts: list[Array], combine: np.ufunc, out: Array) -> None:
    """Write parts of one shape, combined, into `out`."""
    if len(parts) == 1:
        out[...] = parts[0]
        return
    combine(parts[0], parts[1], out=out)
    for part in parts[2:]:
        combine(out, part, out=out)


def framed(x: Array, way: Way) -> tuple[Array, Array]:
    """Return zeros for the gradient of x in its margin, and the part of them that is that of x."""
    (top, left), (bottom, right) = way.walk.before, way.walk.after
    height, width = x.shape[2:]
    shape = (*x.shape[:2], top + height + bottom, left + width + right)
    whole = room(shape, is_channels_last(x), zeros=not way.full)
    return whole, whole[:, :, top : top + height, left : left + width]


# Maximum
def max_forward(arrays: list[Any], params: dict[str, Any], saving: bool) -> Any:
    way = way_for("max_pool2d", arrays[0], params) if len(arrays) == 1 else None
    return None if way is None else (reduced(arrays[0], way, -math.inf, np.maximum), way)


def max_backward(g: Array, call: Record) -> Array:
    (x,) = call.arrays
    way: Way = call.saved
    whole, dx = framed(x, way)
    for these, images in pieces(x, way, -math.inf):
        best, slopes, part = call.out[these], g[these], whole[these]
        wins = np.empty_like(best, bool)
        open_to_all = np.ones_like(best, bool)
        mask = room(best.shape, is_channels_last(best), "pool mask")
        for rows, columns in way.places:
            np.equal(images[:, :, rows, columns], best, out=wins)
            np.logical_and(wins, open_to_all, out=wins)
            np.logical_xor(open_to_all, wins, out=open_to_all)
            np.copyto(mask, wins)  # a product with booleans would take three times as long
            if way.apart:
                np.multiply(slopes, mask, out=part[:, :, rows, columns])
            else:
                np.multiply(slopes, mask, out=mask)
                part[:, :, rows, columns] += mask
    return dx


# Mean
def avg_forward(arrays: list[Any], params: dict[str, Any], saving: bool) -> Any:
    way = way_for("avg_pool2d", arrays[0], params) if len(arrays) == 1 else None
    if way is None:
        return None
    y = reduced(arrays[0], way, 0, np.add)
    y *= np.float32(1 / len(way.places))
    return y, way


def avg_backward(g: Array, call: Record) -> Array:
    (x,) = call.arrays
    way: Way = call.saved
    whole, dx = framed(x, way)
    share = g * np.float32(1 / len(way.places))
    for rows, columns in way.places:
        if way.apart:
            whole[:, :, rows, columns] = share
        else:
            whole[:, :, rows, columns] += share
    return dx


kernel("max_pool2d", max_forward, max_backward)
kernel("avg_pool2d", avg_forward, avg_backward)
