"""Blocks of an array that fit the cache, and buffers to compute them in."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import numpy as np

from tinytorch.core.primitive import Array

FLOAT32 = np.dtype(np.float32)
BLOCK = 16_384  # elements: 64 KiB of float32, so that three or four buffers fit a 256 KiB L2 cache
ONES, ZEROS = np.ones(BLOCK, np.float32), np.zeros(BLOCK, np.float32)
ONES.flags.writeable = ZEROS.flags.writeable = False  # every thread reads them
_buffers = threading.local()


def scratch(name: str, size: int) -> Array:
    """Return `size` float32 to compute in: this thread's own, the same ones at every call."""
    kept: dict[str, Array] = _buffers.__dict__
    if name not in kept or kept[name].size < size:
        kept[name] = np.empty(size, np.float32)
    return kept[name][:size]


def worth_it(x: Any, least: int = BLOCK) -> bool:
    """Whether `x` is an array that the block loops are for: float32, with more than `least`."""
    return type(x) is np.ndarray and x.dtype is FLOAT32 and x.size > least


def elements(*arrays: Array) -> Iterator[list[Array]]:
    """Walk through arrays of one shape, a block at a time, in the order the first has in memory.

    The first array, and those made by `np.empty_like` of it, are not copied if its elements lie
    densely, in whatever order of axes (channels last, say): blocks of them are views. Others are
    copied if their order differs.
    """
    first = arrays[0]
    flat = [
        a.ravel("K") if a.strides == first.strides else _like(a, first).ravel("K") for a in arrays
    ]
    for start in range(0, first.size, BLOCK):
        yield [a[start : start + BLOCK] for a in flat]


def dense(x: Array) -> Array:
    """Return `x`, or a copy if its elements do not lie densely in memory."""
    return x if np.empty_like(x).strides == x.strides else x.copy(order="K")


def _like(a: Array, first: Array) -> Array:
    copy = np.empty_like(first)
    copy[...] = a
    return copy


def rows(x: Array) -> Array:
    """Return `x` (..., k) as a matrix (rows, k), C-contiguous; a copy only where that is needed."""
    return np.ascontiguousarray(x).reshape(-1, x.shape[-1])


def ones(n: int) -> Array:
    """Return n ones. A product with them sums rows or columns about three times faster than sum."""
    return ONES[:n] if n <= BLOCK else np.ones(n, np.float32)
