"""Max and average pooling by slices, some images at a time, in whatever layout they have.

The plain definitions copy the images into a margin with their channels last. Without a margin the
patches can be taken from the images as they are: a slice for each place of the kernel. And where
patches do not overlap, each pixel has one answer, so the gradient is written and not added up.
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
    """How a pooling goes: its walk, and for each place of the kernel the pixels it meets."""

    walk: Walk
    places: list[tuple[slice, slice]]
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
    met = [
        [slice(i, i + s * (n - 1) + 1, s) for i in range(k)]
        for k, s, n in zip(walk.kernel, walk.stride, walk.out, strict=True)
    ]
    framed = [n + b + a for n, b, a in zip(image, walk.before, walk.after, strict=True)]
    covered = [k * n for k, n in zip(walk.kernel, walk.out, strict=True)]
    return Way(
        walk,
        [(rows, columns) for rows in met[0] for columns in met[1]],
        max(walk.before) > 0,
        all(s >= k for s, k in zip(walk.stride, walk.kernel, strict=True)),
        walk.stride == walk.kernel and covered == framed,
    )


def is_channels_last(x: Array) -> bool:
    """Whether the channels of (N, C, H, W) are next to each other in memory."""
    return x.transpose(0, 2, 3, 1).flags.c_contiguous


def room(x: Array, size: Pair, zeros: bool = False) -> Array:
    """Return an array (N, C, *size) in the layout of x."""
    count, channels = x.shape[:2]
    make = np.zeros if zeros else np.empty
    if is_channels_last(x):
        return make((count, *size, channels), np.float32).transpose(0, 3, 1, 2)
    return make((count, channels, *size), np.float32)


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
    """Combine what the places of the kernel meet."""
    y = room(x, way.walk.out)
    (rows, columns), *others = way.places
    for these, images in pieces(x, way, fill):
        part = y[these]
        if not others:
            part[...] = images[:, :, rows, columns]
            continue
        first, *rest = others
        combine(images[:, :, rows, columns], images[:, :, first[0], first[1]], out=part)
        for more in rest:
            combine(part, images[:, :, more[0], more[1]], out=part)
    return y


def buffer_like(part: Array, name: str) -> Array:
    """Return a buffer of this thread, in the shape and order of axes of `part`."""
    flat = scratch(name, part.size)
    count, channels, height, width = part.shape
    if is_channels_last(part):
        return flat.reshape(count, height, width, channels).transpose(0, 3, 1, 2)
    return flat.reshape(part.shape)


def framed(x: Array, way: Way) -> tuple[Array, Array]:
    """Return zeros for the gradient of x in its margin, and the part of them that is that of x."""
    (top, left), (bottom, right) = way.walk.before, way.walk.after
    height, width = x.shape[2:]
    whole = room(x, (top + height + bottom, left + width + right), zeros=not way.full)
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
        mask = buffer_like(best, "pool mask")
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
