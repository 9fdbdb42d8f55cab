"""`measure`: how often it calls, what it makes of the times, and which memory it sees.

No test depends on how fast this machine is: time is a clock that the measured function moves.
"""

import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest

import tinytorch
from tinytorch.core import measurement
from tinytorch.core.measurement import Measurement, in_bytes, in_seconds, measure


class Clock:
    """Reads what `work` has taken so far; each call of it takes the next of `durations`."""

    def __init__(self, *durations: float) -> None:
        self.durations = durations
        self.now = 0.0
        self.calls = 0

    def __call__(self) -> float:
        return self.now

    def work(self) -> None:
        self.now += self.durations[min(self.calls, len(self.durations) - 1)]
        self.calls += 1


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Clock]:
    def start(*durations: float) -> Clock:
        clock = Clock(*durations)
        monkeypatch.setattr(measurement, "perf_counter", clock)
        return clock

    return start


def test_the_warm_up_is_not_in_the_times(clock: Callable[..., Clock]) -> None:
    work = clock(100.0, 50.0, 1.0).work
    assert measure(work, warm_up=2, repeats=3).times == (1.0, 1.0, 1.0)


def test_the_median_is_not_moved_by_a_hiccup(clock: Callable[..., Clock]) -> None:
    found = measure(clock(1.0, 2.0, 1000.0, 3.0, 2.0).work, warm_up=0, repeats=5)
    assert (found.low, found.median, found.high, found.iqr) == (2.0, 2.0, 3.0, 1.0)


def test_runs_are_repeated_until_both_number_and_time_are_reached(
    clock: Callable[..., Clock],
) -> None:
    assert measure(clock(1.0).work, repeats=3, min_time=10).repeats == 10
    assert measure(clock(1.0).work, repeats=12, min_time=10).repeats == 12


def test_a_short_call_is_timed_many_at_once_and_given_per_call(
    clock: Callable[..., Clock],
) -> None:
    found = measure(clock(2**-15).work, repeats=3, min_time=0)  # 31 us
    assert found.calls == 4
    assert set(found.times) == {2**-15}


def test_memory_is_measured_in_a_run_of_its_own(clock: Callable[..., Clock]) -> None:
    tracing = []
    work = clock(1.0).work

    def watched() -> None:
        tracing.append(tracemalloc.is_tracing())
        work()

    measure(watched, warm_up=1, repeats=3)
    assert tracing == [False] * 4 + [True]
    assert not tracemalloc.is_tracing()


def test_the_peak_is_what_is_held_at_once() -> None:
    def twice_in_turn() -> None:
        for _ in range(2):
            np.ones(1_000_000, np.uint8)

    def both_at_once() -> None:
        first = np.ones(1_000_000, np.uint8)
        first + first

    in_turn = measure(twice_in_turn, repeats=1, min_time=0).peak_bytes
    at_once = measure(both_at_once, repeats=1, min_time=0).peak_bytes
    assert 1_000_000 <= in_turn < 1_100_000
    assert 2_000_000 <= at_once < 2_100_000


def test_what_was_there_before_does_not_count_and_tracing_goes_on() -> None:
    tracemalloc.start()
    try:
        kept = np.ones(3_000_000, np.uint8)
        np.ones(9_000_000, np.uint8)  # a peak that is over
        peak = measure(lambda: np.ones(1000, np.uint8), repeats=1, min_time=0).peak_bytes
        assert tracemalloc.is_tracing()
    finally:
        tracemalloc.stop()
    assert peak < 100_000 < kept.nbytes


def test_an_error_in_the_function_stops_the_tracing() -> None:
    calls = []

    def fail_late() -> None:
        calls.append(tracemalloc.is_tracing())
        if calls[-1]:
            raise RuntimeError("out of luck")

    with pytest.raises(RuntimeError, match="out of luck"):
        tinytorch.measure(fail_late, repeats=1, min_time=0)
    assert not tracemalloc.is_tracing()


def test_arguments_are_handed_on() -> None:
    seen = []
    measure(lambda a, b: seen.append((a, b)), 1, "x", repeats=1, min_time=0)
    assert set(seen) == {(1, "x")}


def test_it_reads_as_one_line_with_units() -> None:
    found = Measurement((0.001, 0.002, 0.003), peak_bytes=4_200_000)
    assert repr(found) == "2 ms (middle half 1.5 ms to 2.5 ms, 3 runs), peak memory 4.2 MB"
    assert "2 runs of 8 calls" in repr(Measurement((1e-6, 1e-6), peak_bytes=0, calls=8))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(2.5, "2.5 s"), (1.0, "1 s"), (0.0123, "12.3 ms"), (4.56e-6, "4.56 us"), (7e-10, "0.7 ns")],
)
def test_times_are_written_with_a_fitting_unit(seconds: float, text: str) -> None:
    assert in_seconds(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 bytes"), (999, "999 bytes"), (1000, "1.0 kB"), (3 * 10**9, "3.0 GB")]
)
def test_memory_is_written_with_a_fitting_unit(count: int, text: str) -> None:
    assert in_bytes(count) == text


@pytest.mark.parametrize("wrong", [{"repeats": 0}, {"warm_up": -1}, {"min_time": -1.0}])
def test_a_measurement_without_runs_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="at least one run"):
        measure(int, **wrong)  # type: ignore[arg-type]


def test_what_a_call_returned_is_not_what_is_measured():
    with pytest.raises(TypeError, match=r"got a Tensor: .*measure\(model, x\), not what model"):
        measure(tinytorch.Tensor([1.0]))
