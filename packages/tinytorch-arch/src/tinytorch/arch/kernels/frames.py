"""Frames: buffers in which images stand with a margin, and the views of what a kernel sees there.

Building such views costs more than a small convolution, so each thread keeps the frames it used
last. Margins are written once and never again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.lib.stride_tricks import as_strided

from tinytorch.arch.walks import Pair, Walk, walk
from tinytorch.core.kernels.blocks import FLOAT32
from tinytorch.core.primitive import Array

KEPT = 64  # frames a thread; those of a network of twenty layers, forward and backward
CHUNK = (
    262_144  # elements: what a chunk of images is spread out to, 1 MiB, fits the second-level cache
)

LARGE = (
    1 << 23
)  # bytes: a frame of more is made anew each time, which is little beside the work in it

_threads = threading.local()


class Sized(Protocol):
    """What can be kept: it knows how much memory it takes."""

    nbytes: int


Room = TypeVar("Room", bound=Sized)


class Frame:
    """Some images (count, H, W, C), channels last, in a margin.

    padded  (count, H', W', C)
    inside  the part of it where the images stand
    spread  (count, H', out columns, kw, C): for each output column, what one row of the kernel sees
    """

    __slots__ = ("inside", "nbytes", "padded", "spread")

    def __init__(self, count: int, shape: tuple[int, ...], way: Walk, fill: float) -> None:
        height, width, channels = shape
        (top, left), (bottom, right) = way.before, way.after
        full = count, top + height + bottom, left + width + right, channels
        self.padded = np.full(full, fill, np.float32)
        self.nbytes = self.padded.nbytes
        self.inside = self.padded[:, top : top + height, left : left + width]
        image, row, column, number = self.padded.strides
        self.spread = as_strided(
            self.padded,
            (count, full[1], way.out[1], way.kernel[1], channels),
            (image, row, column * way.stride[1], column * way.dilation[1], number),
        )


def kept(kind: str, key: Any, make: Callable[[], Room]) -> Room:
    """Return what this thread keeps under `key`, made if it is not there; of each kind the last."""
    of_kind: dict[Any, Any] = _threads.__dict__.setdefault(kind, {})
    found = of_kind.get(key)
    if found is None:
        found = make()
        if found.nbytes <= LARGE:
            if len(of_kind) >= KEPT:
                of_kind.pop(next(iter(of_kind)))  # the oldest
            of_kind[key] = found
    return found


def frame(name: str, count: int, shape: tuple[int, ...], way: Walk, fill: float = 0) -> Frame:
    """Return this thread's frame for `count` images of `shape` (H, W, C); what is inside is old."""
    return kept("frames", (name, count, shape, way, fill), lambda: Frame(count, shape, way, fill))


@lru_cache(maxsize=512)
def known_walk(
    name: str, image: Pair, kernel: Pair, stride: Any, padding: Any, dilation: Any
) -> Walk:
    """The walk of module 09, worked out once."""
    return walk(name, image, kernel, stride, padding, dilation)


def way_of(name: str, image: Any, kernel: Any, params: dict[str, Any]) -> Walk | None:
    """Return the walk of a call, or None where the plain definition shall say what is wrong."""
    get = params.get
    try:
        return known_walk(
            name, image, kernel, get("stride", 1), get("padding", 0), get("dilation", 1)
        )
    except (TypeError, ValueError):  # a list cannot be looked up; a wrong size is no walk
        return None


def along_row(values: Array, width: int) -> Array:
    """Repeat C numbers for each of `width` pixels: NumPy is fast at long runs only."""
    row = np.empty((width, len(values)), np.float32)
    row[...] = values
    return row.reshape(-1)


def is_images(x: Any) -> bool:
    """Whether x is a batch of images that kernels take: float32, (N, C, H, W), not empty."""
    return type(x) is np.ndarray and x.ndim == 4 and x.dtype is FLOAT32 and x.size > 0


def is_row(values: Any, channels: int) -> bool:
    """Whether these are float32 numbers, one for each channel."""
    return type(values) is np.ndarray and values.dtype is FLOAT32 and values.shape == (channels,)


def channels_last(x: Array) -> Array:
    """Return images (N, C, H, W) as (N, H, W, C), contiguous: a view where memory is so already."""
    return np.ascontiguousarray(x.transpose(0, 2, 3, 1))


def chunks(count: int, elements: int) -> list[slice]:
    """Cut `count` images of so many elements each into chunks that fit the cache."""
    step = max(1, CHUNK // max(elements, 1))
    return [slice(start, min(start + step, count)) for start in range(0, count, step)]
