"""What layer norm and RMS norm share: thin products in place of rows times a column of numbers.

NumPy takes its time where each row meets a number of its own: one loop a row, and of a row of 128
most of that is starting the loop. BLAS does not mind. So y = x * s * w + b, with s for each row and
w, b for each feature, is computed as

    x * ([s 0] @ [w 0]')  +  [a 1] @ [w b]'        for y = (x s + a) w + b

two products of inner size 2 and two walks through blocks that stay in the cache. (Of inner size 1
NumPy does not ask BLAS, and takes nine times as long.) `layer_norm.py` and `rms_norm.py` use this.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tinytorch.core.kernels.blocks import BLOCK, FLOAT32, scratch
from tinytorch.core.primitive import Array

STEP = 16 * BLOCK  # elements of a block; in smaller ones calls cost more than the cache saves


def fits(x: Any, *parameters: Any) -> bool:
    """Whether these are for these kernels: float32, some rows, one parameter for each feature."""
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


def pair(first: Array | None, second: Array | None, k: int) -> Array:
    """Two rows of k numbers as a matrix: (2, k). No first one are ones, no second one zeros."""
    both = np.empty((2, k), np.float32)
    both[0] = 1 if first is None else first
    both[1] = 0 if second is None else second
    return both


def parts(*arrays: Array | None) -> Iterator[list[Any]]:
    """Walk through matrices of equally many rows, a block at a time; None stays None.

    Each part ends with two blocks to compute in, shaped like that of the first matrix: what is
    written there stays near, while a result goes to main memory once.
    """
    first = arrays[0]
    assert first is not None
    count, k = first.shape
    step = min(count, max(1, STEP // k))
    rooms = scratch("norm", 2 * step * k).reshape(2, step, k)
    for start in range(0, count, step):
        stop = min(start + step, count)
        block = [None if a is None else a[start:stop] for a in arrays]
        yield [*block, *rooms[:, : stop - start]]


def mean_square(lines: Array) -> Array:
    """The mean of the squares of each row: (rows, k) -> (rows,)."""
    squares: Array = np.vecdot(lines, lines)
    squares *= 1 / lines.shape[1]
    return squares


def inverse_root(square: Array, eps: float) -> Array:
    """1 / sqrt(square + eps), in place."""
    np.add(square, eps, out=square)
    np.sqrt(square, out=square)
    return np.divide(1, square, out=square)
