"""Module 19: what a fair measurement is. `benchmark(fn, x)` times one program, `compare` two.

    print(benchmark(model, x))        # 214 us (95 % within this run: 212 us to 217 us), p90 231 us
    print(compare(model, small, x))   # faster by 1.90x (95 %: 1.80 to 2.00, p < 0.0001, 50 pairs)

A time is a random number: the machine does other things, its clock speed changes, and memory is
somewhere else in the next run. So a program is run until it is warm, then often; all times are
kept; and what is said of them comes with an interval. It is one within this run: the next, with
memory elsewhere and another load, may have its median outside of it. Two programs are compared in
pairs, because whatever disturbs one then disturbs the other. After Georges, Buytaert and Eeckhout,
"Statistically rigorous Java performance evaluation", 2007.

Left out: how much memory a call needs (`tinytorch.measure`), where its time goes (module 14), many
requests at once (`scenarios.py`), and the machine itself (`environment.py`).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tinytorch.core.measurement import in_seconds

Times = Sequence[float] | npt.NDArray[np.float64]

WINDOW = 5  # samples: warm-up looks at the last five, and at the five before
STILL = 0.05  # warm-up ends when the newer window is less than 5 % faster than the older
SETTLED = 1e-3  # seconds of calls that are not timed, before each sample of a comparison
MOST = 5000  # samples of one benchmark: more would not make the interval worth reading narrower


# The clock
@dataclass(frozen=True)
class Clock:
    """Two functions that return seconds. A test gives its own, and nothing is ever waited for.

    wall  what a user waits; cpu  what this process computed, its threads added up
    step  the smallest difference between two readings of `wall`; None to find out
    """

    wall: Callable[[], float] = time.perf_counter
    cpu: Callable[[], float] = time.process_time
    step: float | None = None


REAL_TIME = Clock()


def clock_step(clock: Clock, readings: int = 1000) -> float:
    """The smallest difference that two readings one after the other show, in seconds.

    It is the resolution of the clock, or the time that reading it takes, whichever is longer.
    """
    if clock.step is not None:
        return clock.step
    steps: list[float] = []
    before = clock.wall()
    for _ in range(1_000_000):  # a coarse clock shows the same time for many readings
        now = clock.wall()
        if now > before:
            steps.append(now - before)
            before = now
        if len(steps) == readings:
            break
    return min(steps, default=0.0)


# One sample, and when to begin
def sample(fn: Callable[..., Any], args: Sequence[Any], calls: int, clock: Clock) -> np.ndarray:
    """Seconds per call, [wall, CPU], of `calls` calls of `fn(*args)` one after the other."""
    cpu, wall = clock.cpu(), clock.wall()
    for _ in range(calls):
        fn(*args)
    wall, cpu = clock.wall() - wall, clock.cpu() - cpu
    return np.array([wall, cpu]) / calls


def calls_per_sample(fn: Callable[..., Any], args: Sequence[Any], clock: Clock) -> int:
    """How many calls one sample needs, so that the clock's step is at most 1 % of it."""
    shortest = 100 * clock_step(clock)
    calls = 1
    while sample(fn, args, calls, clock)[0] * calls < shortest:
        calls *= 2
    return calls


def warm_up(take: Callable[[], float], longest: float) -> tuple[int, bool]:
    """Take samples until they stop getting faster; return how many, and whether they did stop.

    Steady means: the median of the last `WINDOW` is less than `STILL` below the median of as many
    before. It ends after `longest` seconds in any case.
    """
    times: list[float] = []
    while True:
        times.append(take())
        newer, older = times[-WINDOW:], times[-2 * WINDOW : -WINDOW]
        if len(older) == WINDOW and np.median(newer) > (1 - STILL) * np.median(older):
            return len(times), True
        if sum(times) >= longest:
            return len(times), False


def settle(fn: Callable[..., Any], args: Sequence[Any], clock: Clock) -> None:
    """Call `fn(*args)` for a millisecond, once at least: then the caches hold what it needs.

    Another program ran just before. LeNet-5, 98 us alone, took 130 us in its first call after a
    ResNet-8, 117 in the second and 104 in the fifth.
    """
    end = clock.wall() + SETTLED
    fn(*args)
    while clock.wall() < end:
        fn(*args)


# What the times say
def percentile(times: Times, percent: float) -> float:
    """The shortest time that at least `percent` % of the samples did not exceed.

    Nearest rank: a time that was measured, none in between. Of fewer than 100 samples p99 is simply
    the longest.
    """
    rank = math.ceil(round(len(times) * percent / 100, 9))
    return float(np.sort(times)[max(rank, 1) - 1])


def outliers(times: Times) -> list[int]:
    """Which samples lie more than 1.5 interquartile ranges outside the quartiles.

    Tukey, "Exploratory Data Analysis", 1977, chapter 2. They are counted and shown, never dropped:
    a program that stops for 50 ms once in a hundred calls is a program that does so.
    """
    low, high = np.quantile(times, [0.25, 0.75])
    reach = 1.5 * (high - low)
    return [i for i, t in enumerate(times) if not low - reach <= t <= high + reach]


def bootstrap_interval(
    values: Times,
    statistic: Callable[..., Any] = np.median,
    *,
    confidence: float = 0.95,
    resamples: int = 2000,
    block: int = 1,
    seed: int = 0,
) -> tuple[float, float]:
    """Where `statistic` of such values would lie, had we measured again: a confidence interval.

    statistic   a function of (values, axis=...)
    block       how many neighbours are drawn together. 1 is right for independent values. Times in
                a row resemble each other (a slow second makes a thousand slow calls), and drawn one
                by one they seem to say more than they do (where neighbours correlate at 0.8, an
                interval of 95 % held the true median of 400 times in 56 of 100 trials; drawn in
                blocks of the square root of their number, in 92)

    Values are drawn with replacement from those measured, `resamples` times; the interval is the
    middle of the statistics of the draws. Percentile method: Efron and Tibshirani, "An Introduction
    to the Bootstrap", 1993, chapter 13 (their BCa needs the jackknife, which fails for a median:
    section 11.6). Blocks wrap around the end: Politis and Romano, "A circular block-resampling
    procedure for stationary data", 1992.
    """
    data = np.asarray(values, float)
    n = len(data)
    if n == 0 or not 1 <= block <= n or not 0 < confidence < 1:
        raise ValueError(
            f"bootstrap_interval: {n} values, block {block}, confidence {confidence}: at least one "
            "value, a block no longer than there are values, a confidence between 0 and 1"
        )
    rng = np.random.default_rng(seed)
    found: list[npt.NDArray[np.float64]] = []
    rows = max(1, 1_000_000 // n)  # drawn at once, so that memory stays small
    for start in range(0, resamples, rows):
        starts = rng.integers(n, size=(min(rows, resamples - start), -(-n // block), 1))
        drawn = (starts + np.arange(block)) % n  # (rows, blocks, block)
        found.append(statistic(data[drawn.reshape(len(drawn), -1)[:, :n]], axis=1))
    tail = (1 - confidence) / 2
    low, high = np.quantile(np.concatenate(found), [tail, 1 - tail])
    return float(low), float(high)


def too_few(samples: int, confidence: float = 0.95) -> str:
    """For what so many samples are too few, in a sentence; "" where they are enough.

    A percentile of p % takes 100 / (100 - p) samples, otherwise it is the longest. An interval of
    a median takes so many that the true one lies beyond all of them with less than the rest: 2 / 2
    to the power of n, that is 6 for 95 %. Conover, section 3.2.

    >>> too_few(5)
    '5 samples are too few for p99 (100), p90 (10) and an interval of 95 % (6)'
    >>> too_few(30), too_few(100)
    ('30 samples are too few for p99 (100)', '')
    """
    interval = math.ceil(round(1 - math.log2(1 - confidence), 9))
    needed = {"p99": 100, "p90": 10, f"an interval of {100 * confidence:g} %": interval}
    missed = [f"{what} ({least})" for what, least in needed.items() if samples < least]
    if not missed:
        return ""
    listed = " and ".join(filter(None, [", ".join(missed[:-1]), missed[-1]]))
    return f"{samples} samples are too few for {listed}"


# One program
@dataclass(frozen=True, repr=False)
class Benchmark:
    """What `benchmark` found. Times are in seconds per call, in the order in which they were taken.

    warm_up  samples before the first that counts; steady  whether they had stopped getting faster
    """

    wall: tuple[float, ...]
    cpu: tuple[float, ...]
    calls: int  # in one sample: a percentile of groups of calls is not that of calls
    warm_up: int
    steady: bool
    interval: tuple[float, float]  # of the median, within this run
    confidence: float = 0.95

    @property
    def median(self) -> float:
        """Half of the samples were faster: p50."""
        return float(np.median(self.wall))

    @property
    def p90(self) -> float:
        """Nine samples of ten took no longer."""
        return percentile(self.wall, 90)

    @property
    def p99(self) -> float:
        """All samples but one of a hundred took no longer; of fewer than 100, the longest."""
        return percentile(self.wall, 99)

    @property
    def outliers(self) -> list[int]:
        """Which samples are far from the others: see `outliers`. They are in all numbers."""
        return outliers(self.wall)

    @property
    def cpu_share(self) -> float:
        """CPU time over wall time. Above 1, threads shared the work; far below, it waited."""
        return sum(self.cpu) / sum(self.wall)

    def __repr__(self) -> str:
        low, high = (in_seconds(bound) for bound in self.interval)
        count = f"{len(self.wall)} samples" + (f" of {self.calls} calls" if self.calls > 1 else "")
        return (
            f"{in_seconds(self.median)} ({100 * self.confidence:g} % within this run: {low} to "
            f"{high}), p90 "
            f"{in_seconds(self.p90)}, p99 {in_seconds(self.p99)}, {count}, "
            f"{len(self.outliers)} outliers, CPU/wall {self.cpu_share:.2f}"
            + ("" if self.steady else "; NOT STEADY: still getting faster when warm-up ended")
            + (f"; {few}" if (few := too_few(len(self.wall), self.confidence)) else "")
        )


def benchmark(
    fn: Callable[..., Any],
    *args: Any,
    repeats: int = 30,
    min_time: float = 1.0,
    max_warm_up: float = 1.0,
    confidence: float = 0.95,
    seed: int = 0,
    clock: Clock = REAL_TIME,
) -> Benchmark:
    """Time `fn(*args)`: warm up until steady, then at least `repeats` samples.

    min_time     seconds that all samples take together, at least, or `MOST` samples
    max_warm_up  seconds of warm-up, at most
    seed         of the bootstrap

    >>> benchmark(sorted, range(1000), min_time=0.01).warm_up >= 10
    True
    """
    take, calls = _prepared("benchmark", fn, args, clock)
    warm, steady = warm_up(lambda: calls * float(take()[0]), max_warm_up)
    times = np.array([take() for _ in _enough(repeats, min_time, clock)])
    wall, cpu = times.T.tolist()
    block = max(1, math.isqrt(len(wall)))
    interval = bootstrap_interval(wall, confidence=confidence, block=block, seed=seed)
    return Benchmark(tuple(wall), tuple(cpu), calls, warm, steady, interval, confidence)


# Two programs
# Two copies of one program differ by so much, every time, for where their arrays lie in memory:
# Mytkowicz and others, "Producing wrong data without doing anything obviously wrong!", 2009
BY_PLACE = 0.02


@dataclass(frozen=True, repr=False)
class Comparison:
    """What `compare` found: `ratios[i]` is old time / new time in pair i; above 1, new is faster.

    p  how often a difference as clear as this would show by chance, were there none
    """

    ratios: tuple[float, ...]
    interval: tuple[float, float]  # of the ratio
    p: float
    confidence: float = 0.95

    @property
    def ratio(self) -> float:
        """The median: how many times faster the new one is."""
        return float(np.median(self.ratios))

    @property
    def different(self) -> bool:
        """Whether a difference was shown: by the test, and by an interval without 1."""
        low, high = self.interval
        return self.p < 1 - self.confidence and not low <= 1 <= high

    @property
    def counts(self) -> bool:
        """Whether a difference was shown that is larger than `BY_PLACE`."""
        low, high = self.interval
        return self.different and not (low < 1 + BY_PLACE and high > 1 / (1 + BY_PLACE))

    @property
    def verdict(self) -> str:
        """One sentence: "faster by 1.90x (95 %: 1.80 to 2.00, p < 0.0001, 30 pairs)"."""
        low, high = self.interval
        ratio, word = self.ratio, "no difference shown: ratio "
        if self.different and not self.counts:
            word = f"no difference beyond {BY_PLACE:.0%} shown: ratio "
        elif self.different and ratio > 1:
            word = "faster by "
        elif self.different:
            word, ratio, low, high = "slower by ", 1 / ratio, 1 / high, 1 / low
        p = "p < 0.0001" if self.p < 1e-4 else f"p = {self.p:.2g}"
        return (
            f"{word}{ratio:.2f}x ({100 * self.confidence:g} %: {low:.2f} to {high:.2f}, {p}, "
            f"{len(self.ratios)} pairs)"
        )

    def __repr__(self) -> str:
        return self.verdict


def compare(
    old: Callable[..., Any],
    new: Callable[..., Any],
    *args: Any,
    pairs: int = 30,
    min_time: float = 1.0,
    max_warm_up: float = 1.0,
    confidence: float = 0.95,
    seed: int = 0,
    clock: Clock = REAL_TIME,
) -> Comparison:
    """Compare `new(*args)` with `old(*args)`, in pairs, a coin saying which of a pair comes first.

    Drift, other programs and a hot processor meet both of a pair, and leave their ratio alone. What
    is called before each sample is not timed, so that the caches are its own: see `settle`.
    The median ratio is shown with its bootstrap interval, and tested with `sign_test`.

    To look at many candidates is to find a "faster" one by chance: at 95 %, one of twenty equal
    ones. Correct their p values with `holm`.
    """
    programs = []
    for fn in (old, new):
        take, calls = _prepared("compare", fn, args, clock)
        warm_up(lambda take=take, calls=calls: calls * float(take()[0]), max_warm_up)  # type: ignore[misc]
        programs.append((fn, take))
    rng = np.random.default_rng(seed)
    ratios: list[float] = []
    for _ in _enough(pairs, min_time, clock):
        times = [0.0, 0.0]
        for which in rng.permutation(2):
            fn, take = programs[which]
            settle(fn, args, clock)
            times[which] = float(take()[0])
        ratios.append(times[0] / times[1])
    interval = bootstrap_interval(ratios, confidence=confidence, seed=seed)
    return Comparison(tuple(ratios), interval, sign_test(ratios), confidence)


def sign_test(ratios: Times) -> float:
    """How likely so uneven a split into ratios above and below 1 is, were both as likely: p.

    Exact and two-sided; a ratio of exactly 1 says nothing and is left out. It asks for nothing but
    independent pairs. Arbuthnott, 1710; Conover, "Practical Nonparametric Statistics", section 3.4.

    >>> sign_test([1.1] * 9 + [0.9])
    0.021484375
    """
    above, below = (int(np.sum(side)) for side in (np.greater(ratios, 1), np.less(ratios, 1)))
    n, fewer = above + below, min(above, below)
    return min(1.0, 2 * sum(math.comb(n, k) for k in range(fewer + 1)) / 2**n)


def holm(p_values: Sequence[float]) -> list[float]:
    """The p values of several comparisons, made larger so that one threshold holds for all of them.

    Below 0.05 after this: the chance of even one false alarm among them is below 5 %. Holm, "A
    simple sequentially rejective multiple test procedure", 1979.

    >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, i in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * p_values[i]))
        adjusted[i] = largest
    return adjusted


def _prepared(
    who: str, fn: Callable[..., Any], args: Sequence[Any], clock: Clock
) -> tuple[Callable[[], np.ndarray], int]:
    """A function that takes one sample, and the calls in it."""
    if not callable(fn):
        raise TypeError(
            f"{who}: expected a function, got a {type(fn).__name__}: give it the function and its "
            f"arguments, {who}(model, x), not what model(x) returned"
        )
    calls = calls_per_sample(fn, args, clock)
    return lambda: sample(fn, args, calls, clock), calls


def _enough(samples: int, min_time: float, clock: Clock) -> Iterator[int]:
    """Count up to enough samples: at least so many, and for so long, but no more than `MOST`."""
    if samples < 1 or min_time < 0:
        raise ValueError(f"{samples} samples in {min_time} s: at least one, and no time below 0")
    start, taken = clock.wall(), 0
    while taken < samples or (taken < MOST and clock.wall() - start < min_time):
        yield taken
        taken += 1
