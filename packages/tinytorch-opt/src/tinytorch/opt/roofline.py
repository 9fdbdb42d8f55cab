"""The roofline: how fast a program could be on this machine, and where its parts stand.

    machine = measure_machine()
    print(as_text(machine, points(p)))          # p is a Profiler
    save_roofline("roofline.png", machine, points(p))  # with the extra `plots`

A part that does i operations for each byte it moves can do no more than the least of what the
machine can compute and i times what it can move: two lines that look like a roof. Both are
measured here, with NumPy as it is installed: matrix products in float32 with as many threads as
BLAS has, and copies and sums with one, because that is what NumPy's own loops use.

Williams, Waterman and Patterson, "Roofline: an insightful visual performance model for multicore
architectures", 2009. Left out: peaks that NumPy cannot reach, other number types, and caches
between the smallest and main memory: data that stay in a cache may stand above the lower roof.
"""

from __future__ import annotations

import io
import textwrap
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tinytorch.core.files import AnyPath, write_atomically
from tinytorch.course.plotting import as_text as plotted
from tinytorch.opt.environment import blas_threads, cores
from tinytorch.opt.profiling import Profiler

MATRICES = 256, 512, 1024, 1536  # sizes of the products that are tried
IN_MEMORY = 16_000_000  # numbers of an array: 64 MB, more than a cache holds
IN_CACHE = 8_000  # 32 kB: three of them are in every second-level cache


class Machine(NamedTuple):
    """What a machine reached."""

    flops: float  # per second, matrix products in float32
    memory: float  # bytes per second, from and to main memory
    cache: float  # the same where all data stay in a cache
    threads: int  # of BLAS, at most; for `memory` and `cache` it is one

    def attainable(self, intensity: float) -> float:
        """The most operations per second of a program with `intensity` operations per byte."""
        return min(self.flops, intensity * self.memory)

    @property
    def ridge(self) -> float:
        """Operations per byte from which on arithmetic is the limit, and no longer memory."""
        return self.flops / self.memory

    @property
    def blas(self) -> str:
        """The threads in words."""
        return "1 thread" if self.threads == 1 else f"{self.threads} threads"

    def describe(self) -> str:
        """The three numbers in a sentence."""
        return (
            f"{self.flops / 1e9:.3g} GFLOP/s in products of float32 ({self.blas}), "
            f"{self.memory / 1e9:.3g} GB/s from memory and {self.cache / 1e9:.3g} GB/s from a "
            f"cache (1 thread); memory is the limit below {self.ridge:.3g} operations a byte"
        )


class Point(NamedTuple):
    """One primitive or layer in the picture."""

    name: str
    intensity: float  # operations per byte
    speed: float  # operations per second
    share: float  # of the time of all, 0 to 1


def measure_machine(seconds: float = 1.5) -> Machine:
    """Measure products, memory and cache, each for a third of `seconds` at least.

    The best run counts: another program on the machine can only make it slower.
    """
    if seconds <= 0:
        raise ValueError(f"measure_machine: {seconds} seconds is no time to measure in")
    rng = np.random.default_rng(0)
    part = seconds / 3 / len(MATRICES)
    flops = 0.0
    for n in MATRICES:
        a, b = rng.random((2, n, n), np.float32)
        out = np.empty_like(a)
        flops = max(flops, 2 * n**3 / fastest(lambda: np.matmul(a, b, out=out), part))  # noqa: B023
    memory = max(bandwidths(IN_MEMORY, seconds / 3))
    cache = max(bandwidths(IN_CACHE, seconds / 3, calls=100))
    return Machine(flops, memory, cache, blas_threads() or cores())


def bandwidths(numbers: int, seconds: float, calls: int = 1) -> tuple[float, float]:
    """Bytes per second of a copy and of a sum of float32, as McCalpin's STREAM counts them.

    What is read and what is written counts; that some machines read a line before they write it
    does not.
    """
    a, b, c = (np.ones(numbers, np.float32) for _ in range(3))

    def copy() -> None:
        for _ in range(calls):
            np.copyto(a, b)

    def add() -> None:
        for _ in range(calls):
            np.add(b, c, out=a)

    size = calls * a.nbytes
    return 2 * size / fastest(copy, seconds / 2), 3 * size / fastest(add, seconds / 2)


def fastest(work: Callable[[], object], seconds: float) -> float:
    """Seconds of the fastest of as many runs as there is time for, two at least."""
    best, until, runs = float("inf"), time.perf_counter() + seconds, 0
    while runs < 2 or time.perf_counter() < until:
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
        runs += 1
    return best


def points(profile: Profiler, by: str = "primitive") -> list[Point]:
    """Where the primitives or layers of a profile stand, those that took longest first.

    What computes nothing, moves nothing, or is of unknown cost has no place in the picture.
    """
    rows = [row for row in profile.rows(by, "total") if not row.unknown]
    whole = max(profile.in_primitives, 1)
    return [
        Point(row.name, row.operations / row.bytes, row.operations_per_second, row.total / whole)
        for row in rows
        if row.operations and row.bytes and row.total
    ]


def as_text(machine: Machine, found: Sequence[Point], width: int = 72, most: int = 5) -> str:
    """The roofline as a plot of characters, and a table of all points below it.

    most  how many points stand in the plot; its marks are few
    """
    intensities = [point.intensity for point in found] or [machine.ridge]
    # so wide that both axes are logarithmic
    low, high = min(*intensities, machine.ridge / 128), max(*intensities, machine.ridge * 4)
    steps = np.geomspace(low, high, 2 * width)
    curves = {"roof": [(i, machine.attainable(i) / 1e9) for i in steps]}
    for point in found[:most]:
        curves[point.name] = [(point.intensity, point.speed / 1e9)]
    lines = plotted(curves, "operations per byte", "Gop/s", width, height=14)
    lines += ["", *textwrap.wrap(machine.describe(), max(width, 40)), ""]
    if found:
        room = max(len(point.name) for point in found)
        lines.append(f"{'':{room}}  op/byte    Gop/s  attainable  reached    time  limit")
    for point in found:
        most_here = machine.attainable(point.intensity)
        limit = "memory" if point.intensity < machine.ridge else "arithmetic"
        lines.append(
            f"{point.name:{room}}  {point.intensity:7.3g}  {point.speed / 1e9:7.3g}  "
            f"{most_here / 1e9:10.3g}  {100 * point.speed / most_here:6.1f}%  "
            f"{100 * point.share:5.1f}%  {limit}"
        )
    return "\n".join(lines)


def save_roofline(path: AnyPath, machine: Machine, found: Sequence[Point]) -> Path | None:
    """Draw the roofline into `path`, .png, .svg or .pdf; None where matplotlib is not installed.

    Raises ValueError for another ending, FileNotFoundError where there is no such folder.
    """
    target = Path(path)
    kind = target.suffix.lower().removeprefix(".")
    if kind not in ("png", "svg", "pdf"):
        raise ValueError(f"{target}: a picture ends in .png, .svg or .pdf")
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        return None
    figure = Figure(figsize=(8, 5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    intensities = [point.intensity for point in found] or [machine.ridge]
    low, high = min(*intensities, machine.ridge / 4) / 2, max(*intensities, machine.ridge * 4) * 2
    steps = np.geomspace(low, high, 200)
    for name, speed, style in (("memory", machine.memory, "-"), ("cache", machine.cache, ":")):
        label = f"{name}, {speed / 1e9:.3g} GB/s"
        roof = np.minimum(machine.flops, steps * speed) / 1e9
        axes.plot(steps, roof, style, color="0.3", label=label)
    for point in found:
        size = 30 + 600 * point.share  # an area that grows with its time
        axes.scatter(point.intensity, point.speed / 1e9, size, alpha=0.6)
        axes.annotate(
            point.name, (point.intensity, point.speed / 1e9), (5, 5), textcoords="offset points"
        )
    axes.set(
        xscale="log",
        yscale="log",
        xlabel="operations per byte",
        ylabel="Gop/s",
        title=f"{machine.flops / 1e9:.3g} GFLOP/s of float32 ({machine.blas}); "
        "areas are shares of the time",
    )
    axes.grid(True, which="both", alpha=0.2)
    axes.legend(loc="lower right")
    buffer = io.BytesIO()
    figure.savefig(buffer, format=kind, dpi=120)
    write_atomically(target, buffer.getvalue())
    return target
