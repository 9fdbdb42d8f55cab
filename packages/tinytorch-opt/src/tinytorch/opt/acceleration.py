"""Module 17: acceleration. One computation in several forms: equal results, very different times.

    loop        element by element, in Python
    vectorised  NumPy, whole arrays: the loops run in C, but every step walks through main memory
    tiled       the same, for a piece of the arrays at a time that stays in the cache
    fused       a tile, with fewer steps, and no array made on the way

Two computations take these steps, because two things hold a program up. `bias_gelu` does little
arithmetic on many bytes: memory is its limit, and tiles and fusing save bytes. The matrix product
does much arithmetic on few bytes: tiles let it use each byte often, until arithmetic is the limit.
`ladder` runs all forms, proves them equal, times them, and holds each against the roofline.

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
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from time import perf_counter
from typing import Any, Protocol

import numpy as np

from tinytorch.core.measurement import in_bytes, in_seconds, measure
from tinytorch.core.primitive import Array
from tinytorch.opt.kernel_check import KernelError as KernelError
from tinytorch.opt.kernel_check import check_kernel as check_kernel

TILE = 65_536  # elements of float32: 256 KiB, a few of which fit a second-level cache of 1 MiB
SLOW = 0.3  # seconds: no need to run again what takes so long
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


# The ladder
class Roof(Protocol):
    """What is asked of a roofline: `tinytorch.opt.roofline.measure_machine()` gives one."""

    def attainable(self, intensity: float, /) -> float:
        """FLOP/s that the machine can reach at so many FLOPs for each byte from memory."""


@dataclass(frozen=True)
class Rung:
    """What a form was found to do.

    seconds     the median time of a run
    quartiles   a quarter of the runs took less than the first, a quarter more than the second;
                None for a form that ran once. It is a spread within this ladder, no interval
    speedup     how many times faster than the first form
    flops       of the computation; `rate` is them per second
    bytes       moved between memory and processor
    attainable  FLOP/s, at most, on this machine for a form that moves so many bytes; None where
                no roofline was given. `share` is the part of it that was reached
    """

    form: str
    seconds: float
    speedup: float
    flops: int
    bytes: int
    attainable: float | None = None
    quartiles: tuple[float, float] | None = None

    @property
    def rate(self) -> float:
        """FLOP/s."""
        return self.flops / self.seconds

    @property
    def share(self) -> float | None:
        """The part of the attainable that was reached; above 1 where a cache served for memory.

        `bytes` are counted as if all came from memory, and the roof is that of memory.
        """
        return None if self.attainable is None else self.rate / self.attainable


def ladder(
    forms: Sequence[Form], *arrays: Any, roof: Roof | None = None, rtol: float = 1e-4
) -> list[Rung]:
    """Run all forms on the same arrays; return what each was found to do, in order.

    roof  the roofline of this machine: `tinytorch.opt.roofline.measure_machine()`
    rtol  how far results may be from the first form's, relative to its largest element

    A form that takes SLOW or more runs once, the others often (`tinytorch.measure`). Raises
    ArithmeticError for a form that computes something else: then its time means nothing.
    """
    rungs: list[Rung] = []
    expected: Array | None = None
    for form in forms:
        start = perf_counter()
        result = np.asarray(form.run(*arrays))
        seconds, quartiles = perf_counter() - start, None
        if seconds < SLOW:
            found = measure(form.run, *arrays, warm_up=0)
            seconds, quartiles = found.median, (found.low, found.high)
        expected = result if expected is None else expected
        far = float(np.abs(result - expected).max(initial=0))
        largest = float(np.abs(expected).max(initial=0))
        if not far <= rtol * largest:
            raise ArithmeticError(
                f"{form.name} is up to {far:.3g} away from {forms[0].name}, whose largest element "
                f"is {largest:.3g}: it computes something else"
            )
        flops, moved = form.flops(*arrays), form.bytes(*arrays)
        first = rungs[0].seconds if rungs else seconds
        attainable = None if roof is None else roof.attainable(flops / moved)
        speedup = first / seconds
        rungs.append(Rung(form.name, seconds, speedup, flops, moved, attainable, quartiles))
    return rungs


def table(rungs: Sequence[Rung]) -> str:
    """The rungs as a table: time, its middle half, speedup over the first, rate, bytes, of roof.

    Below it: which neighbours the times do not tell apart, and which forms a cache served.
    """
    lines = [
        f"{'form':<12}{'time':>9}{'middle half':>20}{'speedup':>10}{'GFLOP/s':>9}{'moved':>10}"
        f"{'of roof':>9}"
    ]
    for rung in rungs:
        share = "" if rung.share is None else f"{rung.share:.1%}"
        spread = "one run"
        if rung.quartiles is not None:
            spread = " to ".join(in_seconds(bound) for bound in rung.quartiles)
        lines.append(
            f"{rung.form:<12}{in_seconds(rung.seconds):>9}{spread:>20}{rung.speedup:>9.1f}x"
            f"{rung.rate / 1e9:>9.3g}{in_bytes(rung.bytes):>10}{share:>9}"
        )
    alike = [f"{a.form} and {b.form}" for a, b in pairwise(rungs) if _overlap(a, b)]
    if alike:
        lines.append(
            f"Not told apart, their middle halves overlap: {', '.join(alike)}. compare(old, new), "
            "module 19, looks closer."
        )
    if any(rung.share is not None for rung in rungs):
        above = [rung.form for rung in rungs if rung.share is not None and rung.share > 1]
        lines.append(
            "of roof: the roof is that of main memory; data that a cache holds may exceed it"
            + (f", as those of {', '.join(above)} did." if above else ".")
        )
    return "\n".join(lines)


def gate(
    rungs: Sequence[Rung], least: float = 10.0, *, form: str | None = None, over: str | None = None
) -> Rung:
    """Return the rung that was asked about. Raises ArithmeticError unless it is fast enough.

    least  how many times faster than `over` it must be, at least
    form   which one is asked about; by default the last, which is what the ladder leads to
    over   which one it is held against; by default the first. Ten times a loop in Python says that
           there is no such loop left, and not that fusing helped: `over="tiled"` asks that

    Raises ValueError for a form that is not among the rungs.
    """
    named = {rung.form: rung for rung in rungs}
    for name in (form, over):
        if name is not None and name not in named:
            raise ValueError(f"gate: no form is called {name!r}; there are {', '.join(named)}")
    asked = rungs[-1] if form is None else named[form]
    base = rungs[0] if over is None else named[over]
    found = base.seconds / asked.seconds
    if found < least:
        raise ArithmeticError(
            f"{asked.form} takes {in_seconds(asked.seconds)}: {found:.1f} times as fast as "
            f"{base.form}, and {least:g} was wanted"
        )
    return asked


def _overlap(a: Rung, b: Rung) -> bool:
    """Whether the middle halves of two forms' times have a time in common."""
    if a.quartiles is None or b.quartiles is None:
        return False
    return max(a.quartiles[0], b.quartiles[0]) <= min(a.quartiles[1], b.quartiles[1])
