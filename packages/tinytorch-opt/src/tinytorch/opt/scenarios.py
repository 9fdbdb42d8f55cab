"""Four ways in which a model is asked, and one number for each: MLPerf-style, unofficial.

    answer = answers_of(model)                       # a list of samples -> a list of outputs
    single_stream(answer, images)                    # one after the other: p90 latency
    multi_stream(answer, images)                     # eight at a time: p99 latency
    server(answer, images, bound=0.1)                # at random times: the most queries a second
    offline(answer, images)                          # all there are: samples a second
    accuracy(answer, images, labels)                 # the same code, in a run of its own

The scenarios are those of MLPerf Inference (Reddi et al., "MLPerf Inference Benchmark", 2020);
runs are shorter than its rules ask, which is why no result here is one of MLPerf.
Samples are prepared before and outputs judged after: neither is timed. Left out: servers of many
threads, and LoadGen's own log files.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from tinytorch.core.context import no_grad
from tinytorch.core.layers import Module
from tinytorch.core.measurement import in_seconds
from tinytorch.core.tensor import Tensor
from tinytorch.opt.benchmarking import REAL_TIME, Clock, bootstrap_interval, percentile, warm_up

Answer = Callable[[Sequence[Any]], Sequence[Any]]  # samples -> as many outputs
STYLE = "MLPerf-style, unofficial"


def answers_of(model: Module) -> Answer:
    """The function that asks `model`, which should be in evaluation mode: arrays -> arrays.

    To put samples together into a batch is part of answering, and is timed.
    """

    def answer(samples: Sequence[Any]) -> Sequence[Any]:
        with no_grad():
            return model(Tensor(np.stack(samples))).data

    return answer


@dataclass(frozen=True)
class Trial:
    """One run of a server: the rate asked for, and whether the bound was kept."""

    rate: float  # queries a second
    p99: float  # seconds; of the queries answered before the run was given up, where it was
    passed: bool


@dataclass(frozen=True)
class Score:
    """The number of one scenario, and what it was made from.

    value      seconds for a latency, otherwise queries or samples a second
    interval   of `value`, 95 %, within this run; None for a server, whose rate a search found:
               `failed` says how far above it another one failed
    at_once    samples that are answered together, at most
    cpu_share  CPU time over wall time while answering: far below 1, other programs ran
    latencies  seconds of each query, in order
    """

    scenario: str
    metric: str
    value: float
    queries: int
    samples: int
    seconds: float
    seed: int
    interval: tuple[float, float] | None = None
    latencies: tuple[float, ...] = field(default=(), repr=False)
    trials: tuple[Trial, ...] = ()
    at_once: int = 1
    cpu_share: float | None = None

    @property
    def failed(self) -> float | None:
        """The lowest rate above `value` at which a server was late; None where none was tried."""
        above = [t.rate for t in self.trials if not t.passed and t.rate > self.value]
        return min(above, default=None)

    def shown(self, value: float) -> str:
        """`value`, or a bound of it, as text: a time with its unit, or a number a second."""
        return in_rate(value) if "a second" in self.metric else in_seconds(value)

    def record(self) -> dict[str, Any]:
        """All of it but single latencies, as JSON can hold it."""
        content = asdict(self)
        del content["latencies"]
        return {"style": STYLE, **content}

    def __str__(self) -> str:
        value = self.shown(self.value)
        if self.interval is not None:
            low, high = map(self.shown, self.interval)
            value += f" (95 % within this run: {low} to {high})"
        return (
            f"{self.scenario} ({STYLE}): {self.metric} {value}; {self.queries:,} queries of "
            f"{self.samples:,} samples in {in_seconds(self.seconds)}"
        )


def in_rate(value: float) -> str:
    """A number of things a second, with four digits and no exponent.

    >>> in_rate(11_763.4), in_rate(7032.4), in_rate(81.2349)
    ('11,760', '7,032', '81.23')
    """
    rounded = float(f"{value:.4g}")
    return f"{rounded:,.0f}" if rounded >= 1000 else f"{rounded:g}"


def single_stream(
    answer: Answer,
    samples: Sequence[Any],
    *,
    min_seconds: float = 10.0,
    min_queries: int = 100,
    seed: int = 0,
    clock: Clock = REAL_TIME,
) -> Score:
    """One sample after the other, as on a phone: the latency that 90 % of queries keep.

    samples      to draw from, prepared
    min_seconds  of the run; it also has at least `min_queries` queries
    """
    return _stream("SingleStream", answer, samples, 1, 90, min_seconds, min_queries, seed, clock)


def multi_stream(
    answer: Answer,
    samples: Sequence[Any],
    *,
    width: int = 8,
    min_seconds: float = 10.0,
    min_queries: int = 100,
    seed: int = 0,
    clock: Clock = REAL_TIME,
) -> Score:
    """Queries of `width` samples, as of a car's cameras: the latency that 99 % of queries keep."""
    return _stream("MultiStream", answer, samples, width, 99, min_seconds, min_queries, seed, clock)


def offline(
    answer: Answer,
    samples: Sequence[Any],
    *,
    batch: int = 32,
    min_seconds: float = 10.0,
    min_samples: int = 1000,
    seed: int = 0,
    clock: Clock = REAL_TIME,
) -> Score:
    """All samples are there from the beginning, as in a data centre at night: samples a second.

    batch  how many the program takes at once: its own choice. More is not always faster: what a
           large batch leaves behind may be more than the caches hold
    """
    drawn = _drawn(samples, batch, seed)
    _warm(answer, drawn, clock)
    busy = 0.0
    latencies: list[float] = []
    begun = clock.wall(), clock.cpu()
    while busy < min_seconds or len(latencies) * batch < min_samples:
        latencies.append(_asked(answer, next(drawn), clock))
        busy += latencies[-1]
    share = _cpu_share(begun, clock)
    done = len(latencies) * batch
    slow, fast = _interval(latencies, np.mean, seed)[::-1]
    return Score(
        "Offline",
        "samples a second",
        done / busy,
        1,
        done,
        busy,
        seed,
        (batch / slow, batch / fast),
        at_once=batch,
        cpu_share=share,
    )


def server(
    answer: Answer,
    samples: Sequence[Any],
    *,
    bound: float,
    max_batch: int = 1,
    min_seconds: float = 2.0,
    min_queries: int = 500,
    tolerance: float = 0.05,
    seed: int = 0,
    clock: Clock = REAL_TIME,
    wait: Callable[[float], None] | None = None,
) -> Score:
    """Queries at random times, as of users: the highest rate at which p99 stays below `bound`.

    bound      seconds from when a query arrives, not from when it is taken up: a queue counts
    max_batch  how many of those that wait are answered at once
    min_*      of each run at one rate, which also takes ten times the bound, at least; it is given
               up once more than 1 % of its queries are late
    tolerance  the search ends when a rate that failed is so little above one that passed
    wait       waits until the clock shows the time it is given; a test gives its own

    Arrivals are a Poisson process: gaps are exponential, the same draws for each rate. The rate is
    found by doubling or halving, then bisection. It is 0 where even a 64th of what the program can
    do at most is too much, that is where one answer alone takes longer than the bound.
    """
    if bound <= 0 or max_batch < 1:
        raise ValueError(f"server: bound {bound} s, batches of {max_batch}: both are above 0")
    drawn = _drawn(samples, max_batch, seed)
    _warm(answer, drawn, clock)
    one = float(np.median([_asked(answer, next(drawn), clock) for _ in range(10)])) / max_batch
    trials: list[Trial] = []
    latencies: dict[float, list[float]] = {}
    answering: list[tuple[float, float]] = []
    start = clock.wall()

    def holds(rate: float) -> bool:
        # a queue that only grows is late by more than the bound within ten bounds
        count = max(min_queries, int(rate * max(min_seconds, 10 * bound)))
        found = _served(
            answer, samples, rate, count, bound, max_batch, seed, clock, wait, answering
        )
        kept = sum(latency <= bound for latency in found)
        passed = kept * 100 >= count * 99
        trials.append(Trial(rate, percentile(found, 99), passed))
        latencies[rate] = found
        return passed

    high = 1 / one
    low = high / 2
    if holds(high):
        low, high = high, 2 * high
        while high * one < 64 and holds(high):
            low, high = high, 2 * high
    else:
        while not holds(low):
            low, high = low / 2, low
            if low * one < 1 / 64:
                low = 0.0
                break
    while low and high / low > 1 + tolerance:
        middle = (low * high) ** 0.5
        low, high = (middle, high) if holds(middle) else (low, middle)
    best = latencies.get(low, [])
    wall, cpu = np.sum(answering, axis=0).tolist()
    return Score(
        "Server",
        f"queries a second with p99 below {in_seconds(bound)}",
        low,
        len(best),
        len(best),
        clock.wall() - start,
        seed,
        latencies=tuple(best),
        trials=tuple(trials),
        at_once=max_batch,
        cpu_share=cpu / wall if wall else None,
    )


def accuracy(
    answer: Answer,
    samples: Sequence[Any],
    labels: Sequence[Any],
    *,
    batch: int = 32,
    judge: Callable[[Any, Any], float] = lambda output, label: float(np.argmax(output) == label),
) -> float:
    """The mean of `judge(output, label)` over all samples, each asked once: not timed.

    judge  by default 1 where the largest output is at the label's place
    """
    if len(samples) != len(labels) or not len(samples):
        raise ValueError(f"accuracy: {len(samples)} samples and {len(labels)} labels: as many, > 0")
    total = 0.0
    for start in range(0, len(samples), batch):
        asked = samples[start : start + batch]
        outputs = answer(asked)
        if len(outputs) != len(asked):
            raise ValueError(f"{len(asked)} samples were asked, {len(outputs)} outputs came back")
        total += sum(map(judge, outputs, labels[start : start + batch]))
    return total / len(samples)


def _stream(
    name: str,
    answer: Answer,
    samples: Sequence[Any],
    width: int,
    percent: float,
    min_seconds: float,
    min_queries: int,
    seed: int,
    clock: Clock,
) -> Score:
    drawn = _drawn(samples, width, seed)
    _warm(answer, drawn, clock)
    latencies: list[float] = []
    begun = start, _ = clock.wall(), clock.cpu()
    while clock.wall() - start < min_seconds or len(latencies) < min_queries:
        latencies.append(_asked(answer, next(drawn), clock))
    seconds = clock.wall() - start
    share = _cpu_share(begun, clock)
    interval = _interval(
        latencies,
        lambda rows, axis: np.quantile(rows, percent / 100, axis=axis, method="inverted_cdf"),
        seed,
    )
    return Score(
        name,
        f"p{percent:g} latency",
        percentile(latencies, percent),
        len(latencies),
        width * len(latencies),
        seconds,
        seed,
        interval,
        tuple(latencies),
        at_once=width,
        cpu_share=share,
    )


def _interval(
    latencies: list[float], statistic: Callable[..., Any], seed: int
) -> tuple[float, float]:
    kept = latencies[:20_000]  # the interval of more would take longer than the run
    block = max(1, int(len(kept) ** 0.5))
    return bootstrap_interval(kept, statistic, resamples=500, block=block, seed=seed)


def _cpu_share(begun: tuple[float, float], clock: Clock) -> float | None:
    """CPU time over wall time since `begun`, (wall, CPU); None where no time has passed."""
    wall, cpu = clock.wall() - begun[0], clock.cpu() - begun[1]
    return cpu / wall if wall else None


def _served(
    answer: Answer,
    samples: Sequence[Any],
    rate: float,
    count: int,
    bound: float,
    max_batch: int,
    seed: int,
    clock: Clock,
    wait: Callable[[float], None] | None,
    answering: list[tuple[float, float]] | None = None,
) -> list[float]:
    """The latency of each of `count` queries; of fewer, once so many are late that p99 is lost.

    answering  gets the wall and CPU time of each answer: to wait computes, too, and is left out
    """
    rng = np.random.default_rng(seed)
    gaps = rng.exponential(size=count) / rate
    which = rng.integers(len(samples), size=count)
    due: list[float] = (clock.wall() + np.cumsum(gaps)).tolist()
    latencies: list[float] = []
    late = 0
    while len(latencies) < count and late * 100 <= count:
        i = len(latencies)
        if wait is None:
            _wait_until(due[i])
        else:
            wait(due[i])
        now, cpu, j = clock.wall(), clock.cpu(), i + 1
        while j < min(count, i + max_batch) and due[j] <= now:
            j += 1
        answer([samples[k] for k in which[i:j]])
        end = clock.wall()
        if answering is not None:
            answering.append((end - now, clock.cpu() - cpu))
        # from when it was due: who starts late has no excuse
        latencies += [end - moment for moment in due[i:j]]
        late += sum(latency > bound for latency in latencies[i:])
    return latencies


def _wait_until(moment: float) -> None:
    """Sleep until shortly before, because sleep comes back late, and watch the clock then."""
    remaining = moment - time.perf_counter()
    if remaining > 2e-3:
        time.sleep(remaining - 1e-3)
    while time.perf_counter() < moment:
        pass


def _asked(answer: Answer, query: Sequence[Any], clock: Clock) -> float:
    start = clock.wall()
    answer(query)
    return clock.wall() - start


def _drawn(samples: Sequence[Any], width: int, seed: int) -> Iterator[Sequence[Any]]:
    """Queries of `width` samples, drawn with replacement, without end."""
    if not len(samples) or width < 1:
        raise ValueError(f"{len(samples)} samples to draw queries of {width} from: at least one")
    rng = np.random.default_rng(seed)
    while True:
        for row in rng.integers(len(samples), size=(256, width)):
            yield [samples[i] for i in row]


def _warm(answer: Answer, drawn: Iterator[Sequence[Any]], clock: Clock) -> None:
    warm_up(lambda: _asked(answer, next(drawn), clock), longest=1.0)
