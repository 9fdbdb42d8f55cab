"""How long a call takes and how much memory it needs: `tinytorch.measure(fn)`.

For the *measure* part of each lesson. Left out: where inside the call the time goes (the profiler,
module 14), and comparing two programs fairly (benchmarks, module 19).
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import numpy as np

SHORTEST = 1e-4  # seconds: below that, reading the clock would be part of what is measured


@dataclass(frozen=True)
class Measurement:
    """What `measure` found. Times are in seconds per call."""

    times: tuple[float, ...] = field(repr=False)  # one for each run
    peak_bytes: int  # allocated at once, at most, besides what was there before
    calls: int = 1  # calls in one run: more than one where a call is shorter than SHORTEST

    @property
    def repeats(self) -> int:
        """The number of timed runs."""
        return len(self.times)

    @property
    def median(self) -> float:
        """Half of the runs were faster. A hiccup of the machine does not move it."""
        return float(np.median(self.times))

    @property
    def low(self) -> float:
        """A quarter of the runs were faster."""
        return float(np.quantile(self.times, 0.25))

    @property
    def high(self) -> float:
        """A quarter of the runs were slower."""
        return float(np.quantile(self.times, 0.75))

    @property
    def iqr(self) -> float:
        """The interquartile range, `high - low`: how far to trust the median."""
        return self.high - self.low

    def __repr__(self) -> str:
        runs = f"{self.repeats} runs" + (f" of {self.calls} calls" if self.calls > 1 else "")
        return (
            f"{in_seconds(self.median)} (middle half {in_seconds(self.low)} to "
            f"{in_seconds(self.high)}, {runs}), peak memory {in_bytes(self.peak_bytes)}"
        )


def measure(
    fn: Callable[..., Any],
    *args: Any,
    repeats: int = 7,
    warm_up: int = 1,
    min_time: float = 0.1,
) -> Measurement:
    """Time `fn(*args)`, and find the most memory it holds at once.

    repeats   timed runs, at least
    warm_up   calls before the first of them: imports, caches, and memory that is then reused
    min_time  seconds that all timed runs take together, at least; so short calls have many runs

    Time is that of the wall clock: whatever else the machine does is in it. The garbage collector
    runs as usual.

    Memory comes from one more run, which is not timed, because tracing slows it down. `tracemalloc`
    sees Python's objects and NumPy's arrays, also those that `fn` returns. It does not see what
    libraries take for themselves, such as the buffers of BLAS, nor what another process uses.

    >>> measure(sorted, range(1000), repeats=3, min_time=0).repeats
    3
    """
    if not callable(fn):
        raise TypeError(
            f"measure: expected a function, got a {type(fn).__name__}: give it the function and "
            "its arguments, measure(model, x), not what model(x) returned"
        )
    if repeats < 1 or warm_up < 0 or min_time < 0:
        raise ValueError(
            f"measure: repeats={repeats}, warm_up={warm_up}, min_time={min_time}: at least one "
            "run, and nothing below 0"
        )
    for _ in range(warm_up):
        fn(*args)
    calls = 1
    while (first := _run(fn, args, calls)) < SHORTEST:
        calls *= 2
    times = [first]
    while len(times) < repeats or sum(times) < min_time:
        times.append(_run(fn, args, calls))
    return Measurement(tuple(t / calls for t in times), peak_bytes(fn, *args), calls)


def peak_bytes(fn: Callable[..., Any], *args: Any) -> int:
    """The most memory that `fn(*args)` holds at once, besides what was there before."""
    already_tracing = tracemalloc.is_tracing()
    if already_tracing:
        tracemalloc.reset_peak()
    else:
        tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        fn(*args)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        if not already_tracing:
            tracemalloc.stop()
    return max(peak - before, 0)


def _run(fn: Callable[..., Any], args: tuple[Any, ...], calls: int) -> float:
    start = perf_counter()
    for _ in range(calls):
        fn(*args)
    return perf_counter() - start


def in_seconds(seconds: float) -> str:
    """A time with three digits and its unit: "1.23 ms"."""
    for size, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "us")):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


def in_bytes(count: int) -> str:
    """An amount of memory with its unit: "4.2 MB", where 1 MB is a million bytes."""
    for size, unit in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} bytes"
