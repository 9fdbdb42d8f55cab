"""Module 17: acceleration. One computation in several forms: equal results, very different times.

    loop        element by element, in Python
    vectorised  NumPy, whole arrays: the loops run in C, but every step walks through main memory
    tiled       the same, for a piece of the arrays at a time that stays in the cache
    fused       a tile, with fewer steps, and no array made on the way

Two computations take these steps, because two things hold a program up. `bias_gelu` does little
arithmetic on many bytes: memory is its limit, and tiles and fusing save bytes. The matrix product
does much arithmetic on few bytes: tiles let it use each byte often, until arithmetic is the limit.
`ladder` (`ladder.py`) runs all forms, proves them equal, times them, and holds each against the
roofline.

Tiles help where the arrays are larger than the last cache, and only there. Of `BIAS_GELU` on a
machine with 1 MiB of second-level and 32 MiB of third-level cache, one core: x of (4096, 256),
4.2 MB, tiled against vectorised: no difference shown, 0.96x (95 %: 0.94 to 1.00); of (16384, 256),
16.8 MB: faster by 1.81x (1.79 to 1.84). `compare(bias_gelu_vectorised, bias_gelu_tiled, x, bias)`
of `tinytorch.opt.benchmarking` says it for yours.

What has become fast is attached at the door, as a kernel: `tinytorch.kernels.kernel`. That it
computes the same as the plain definition, value and gradient, `check_kernel` proves.

Left out: more threads (`parallel.py`), and kernels that are compiled (`compiled/`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tinytorch.core.primitive import Array
from tinytorch.opt.kernel_check import KernelError as KernelError
from tinytorch.opt.kernel_check import check_kernel as check_kernel
from tinytorch.opt.ladder import Roof as Roof
from tinytorch.opt.ladder import Rung as Rung
from tinytorch.opt.ladder import gate as gate
from tinytorch.opt.ladder import ladder as ladder
from tinytorch.opt.ladder import table as table

TILE = 65_536  # elements of float32: 256 KiB, a few of which fit a second-level cache of 1 MiB
C, K = math.sqrt(2 / math.pi), 0.044715  # of GELU's tanh formula


# Limited by memory: a bias and GELU, which every MLP of a transformer has
def bias_gelu_loop(x: Array, bias: Array) -> Array:
    """GELU of x (rows, k) + bias (k,), one number after the other."""
    out = []
    for row in x.tolist():
        for number, b in zip(row, bias.tolist(), strict=True):
            z = number + b
            out.append(0.5 * z * (1 + math.tanh(C * (z + K * z * z * z))))
    return np.array(out, x.dtype).reshape(x.shape)


def bias_gelu_vectorised(x: Array, bias: Array) -> Array:
    """The formula as it is written: ten steps, each a walk through whole arrays."""
    z = x + bias
    return 0.5 * z * (1 + np.tanh(C * (z + K * z * z * z)))


def row_tiles(rows: int, columns: int) -> list[slice]:
    """Cut a matrix into slices of whole rows, each of about TILE elements."""
    step = max(1, TILE // max(columns, 1))
    return [slice(start, start + step) for start in range(0, rows, step)]


def bias_gelu_tiled(x: Array, bias: Array) -> Array:
    """The same ten steps for some rows at a time: what is made on the way stays in the cache."""
    out = np.empty_like(x)
    for tile in row_tiles(*x.shape):
        out[tile] = bias_gelu_vectorised(x[tile], bias)
    return out


def bias_gelu_fused(x: Array, bias: Array) -> Array:
    """Nine steps in two arrays that are there already: the result, and one tile to compute in.

    C z + C K z^3 is z (C + C K z^2): a product less. `out=` says where each step writes, so none
    asks for memory, which would come from the system page by page.
    """
    out = np.empty_like(x)
    tiles = row_tiles(*x.shape)
    buffer = np.empty_like(x[tiles[0]]) if tiles else out
    for tile in tiles:
        z = np.add(x[tile], bias, out=out[tile])
        t = buffer[: len(z)]
        np.multiply(z, z, out=t)
        np.multiply(t, C * K, out=t)
        np.add(t, C, out=t)
        np.multiply(t, z, out=t)
        np.tanh(t, out=t)
        np.add(t, 1, out=t)
        np.multiply(t, 0.5, out=t)
        np.multiply(z, t, out=z)
    return out


# Limited by arithmetic: the matrix product
def matmul_loop(x: Array, y: Array) -> Array:
    """x (n, k) @ y (k, m): for each element of the result a sum of k products."""
    rows, columns = x.tolist(), y.T.tolist()
    result = [[0.0] * len(columns) for _ in rows]
    for i, row in enumerate(rows):
        for j, column in enumerate(columns):
            total = 0.0
            for a, b in zip(row, column, strict=True):
                total += a * b
            result[i][j] = total
    return np.array(result, x.dtype).reshape(len(x), y.shape[1])


def matmul_vectorised(x: Array, y: Array) -> Array:
    """A row of the result at a time, without BLAS: all of y scaled, and its rows summed."""
    out = np.empty((len(x), y.shape[1]), x.dtype)
    for i, row in enumerate(x):
        out[i] = (row[:, np.newaxis] * y).sum(axis=0)  # (k, 1) * (k, m) -> (k, m) -> (m,)
    return out


def matmul_tiled(x: Array, y: Array, tile: int = 128) -> Array:
    """Squares of the result, each a sum of products of squares that are in the cache together.

    The product of two squares is BLAS (`@`): inside it the same is done once more, with squares
    that fit the registers. What is ours is that each square is used `tile` times once it has come.
    """
    out = np.zeros((len(x), y.shape[1]), x.dtype)
    for i in range(0, len(x), tile):
        for j in range(0, y.shape[1], tile):
            for p in range(0, len(y), tile):
                out[i : i + tile, j : j + tile] += (
                    x[i : i + tile, p : p + tile] @ y[p : p + tile, j : j + tile]
                )
    return out


# What a form costs
@dataclass(frozen=True)
class Form:
    """One way to compute something, and what it takes.

    run    arrays -> the result
    flops  arrays -> additions, multiplications and the like in the definition; a tanh counts as
           one, and takes longer. The same for all forms: it is the work that was wanted
    bytes  arrays -> what the form reads from and writes to memory, if the cache keeps one tile.
           If it keeps more, whole arrays even, less comes from memory than is counted here
    """

    name: str
    run: Callable[..., Array]
    flops: Callable[..., int]
    bytes: Callable[..., int]


def _bias_gelu_flops(x: Array, bias: Array) -> int:
    return 10 * x.size


def _in_walks(count: int) -> Callable[..., int]:
    return lambda x, bias: count * x.nbytes


# the formula's ten steps read 14 arrays and write 10; a tile reads x, and writes the result
BIAS_GELU = (
    Form("loop", bias_gelu_loop, _bias_gelu_flops, _in_walks(2)),
    Form("vectorised", bias_gelu_vectorised, _bias_gelu_flops, _in_walks(24)),
    Form("tiled", bias_gelu_tiled, _bias_gelu_flops, _in_walks(2)),
    Form("fused", bias_gelu_fused, _bias_gelu_flops, _in_walks(2)),
)


def _matmul_flops(x: Array, y: Array) -> int:
    return 2 * x.size * y.shape[1]


def _once_each(x: Array, y: Array) -> int:
    return x.nbytes + y.nbytes + len(x) * y.shape[1] * x.itemsize


def _all_of_y_per_row(x: Array, y: Array) -> int:
    return 3 * len(x) * y.nbytes  # y read, the products written, and read by the sum


def _in_squares(x: Array, y: Array, tile: int = 128) -> int:
    across, down, inner = (math.ceil(size / tile) for size in (y.shape[1], len(x), len(y)))
    result = len(x) * y.shape[1] * x.itemsize
    return x.nbytes * across + y.nbytes * down + 2 * result * inner


MATMUL = (
    Form("loop", matmul_loop, _matmul_flops, _once_each),
    Form("vectorised", matmul_vectorised, _matmul_flops, _all_of_y_per_row),
    Form("tiled", matmul_tiled, _matmul_flops, _in_squares),
    Form("BLAS", np.matmul, _matmul_flops, _once_each),
)
