"""Module 19: the statistics of times, tested with made-up time; no test here waits or is timed.

Left out: scenarios, Pareto fronts and the command, each in a file of its own.
"""

import itertools
import math

import numpy as np
import pytest
from synthetic import Time, lognormal

from tinytorch.opt.benchmarking import (
    MOST,
    Clock,
    Comparison,
    benchmark,
    bootstrap_interval,
    calls_per_sample,
    clock_step,
    compare,
    holm,
    outliers,
    percentile,
    sign_test,
    too_few,
    warm_up,
)


# The clock
def test_every_sample_is_kept_in_order_with_its_cpu_time() -> None:
    time = Time()
    durations = itertools.count(1)
    program = time.program(lambda: float(next(durations)), share=0.5)
    found = benchmark(program, repeats=12, min_time=0, max_warm_up=0, clock=time.clock)
    # the first call finds how many calls a sample needs, the second is the warm-up
    assert found.wall == tuple(float(n) for n in range(3, 15))
    assert found.cpu == tuple(n / 2 for n in range(3, 15))
    assert found.cpu_share == 0.5
    assert found.median == 8.5


def test_a_sample_has_as_many_calls_as_make_the_step_of_the_clock_a_hundredth_of_it() -> None:
    time = Time(step=1e-6)
    program = time.program(lambda: 7e-6)
    calls = calls_per_sample(program, (), time.clock)
    assert calls == 16  # 8 calls take 56 us, 16 take 112
    found = benchmark(program, repeats=50, min_time=0, clock=time.clock)
    assert found.calls == 16
    np.testing.assert_allclose(found.wall, 7e-6, rtol=0.01)


def test_the_step_of_a_clock_is_found_by_reading_it() -> None:
    readings = itertools.count()
    coarse = Clock(wall=lambda: next(readings) // 500 * 0.25)  # moves once in 500 readings
    assert clock_step(coarse, readings=3) == 0.25
    assert 0 < clock_step(Clock()) < 1e-3
    assert clock_step(Clock(step=0.5)) == 0.5


# Warm-up
def test_what_comes_before_the_program_is_warm_does_not_count() -> None:
    time = Time()
    cold = iter([30.0, 20.0, 10.0, 5.0, 3.0, 2.0, 2.0, 1.5])
    found = benchmark(
        time.program(lambda: next(cold, 1.0)), repeats=20, max_warm_up=1000, clock=time.clock
    )
    assert found.steady
    assert set(found.wall) == {1.0}


def test_warm_up_ends_when_five_samples_are_less_than_5_percent_faster_than_five_before() -> None:
    cold = iter([2.0] * 5 + [1.0] * 100)
    # samples 6 to 10 are twice as fast as 1 to 5; from sample 13 on, both medians are of fast ones
    assert warm_up(lambda: next(cold), 1e9) == (13, True)
    slightly = iter([1.0] * 5 + [0.96] * 5)
    assert warm_up(lambda: next(slightly), 1e9) == (10, True)


def test_a_program_that_only_gets_faster_is_said_not_to_be_steady() -> None:
    time = Time()
    n = itertools.count()
    program = time.program(lambda: 0.9 ** next(n))
    found = benchmark(program, repeats=5, min_time=0, max_warm_up=8, clock=time.clock)
    assert not found.steady
    assert "NOT STEADY" in repr(found)


def test_warm_up_of_a_slow_program_ends_in_time() -> None:
    calls = iter([60.0] * 9)
    assert warm_up(lambda: next(calls), 1.0) == (1, False)
    time = Time(step=1e-6)  # so that a sample is 16 calls of 7 us
    n = itertools.count()
    found = benchmark(
        time.program(lambda: 7e-6 * 0.99 ** (next(n) // 16)),
        repeats=1,
        min_time=0,
        max_warm_up=5 * 16 * 7e-6,
        clock=time.clock,
    )
    assert found.calls == 16
    assert found.warm_up == 6


# How many samples
def test_samples_are_taken_until_there_are_enough_and_they_took_long_enough() -> None:
    for repeats, min_time, expected in ((7, 0, 7), (7, 20, 20), (1, 1e9, MOST)):
        time = Time()
        program = time.program(lambda: 1.0)
        found = benchmark(program, repeats=repeats, min_time=min_time, clock=time.clock)
        assert len(found.wall) == expected


def test_arguments_reach_the_program_and_nonsense_is_refused() -> None:
    time = Time()
    seen = set()

    def program(a: int, b: int) -> None:
        seen.add((a, b))
        time.now += 1

    benchmark(program, 1, 2, repeats=1, min_time=0, clock=time.clock)
    assert seen == {(1, 2)}
    with pytest.raises(TypeError, match=r"benchmark\(model, x\), not what model\(x\) returned"):
        benchmark(3)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="compare: expected a function, got a int"):
        compare(print, 3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="at least one"):
        benchmark(time.program(lambda: 1.0), repeats=0, clock=time.clock)


# Percentiles and outliers
def test_percentiles_are_times_that_were_measured() -> None:
    times = np.random.default_rng(0).permutation(np.arange(1.0, 1001))
    assert [percentile(times, p) for p in (50, 90, 99, 99.9, 100)] == [500, 900, 990, 999, 1000]
    assert percentile([3.0, 1.0, 2.0], 99) == 3


def test_outliers_lie_outside_tukeys_fences_on_either_side() -> None:
    times = [10.0, 10, 11, 12, 12, 13, 14, 14, 30, 1]
    # quartiles 10.25 and 13.75 (linear), so the fences are 5 and 19
    assert outliers(times) == [8, 9]
    assert outliers([1.0] * 10) == []


def test_one_normal_sample_of_143_is_called_an_outlier() -> None:
    # 0.698 %: the tails beyond 2.698 standard deviations (Hoaglin, Mosteller and Tukey, 1983)
    drawn = np.random.default_rng(3).standard_normal(100_000)
    assert len(outliers(drawn)) / len(drawn) == pytest.approx(0.00698, rel=0.1)


def test_outliers_are_counted_and_stay_in_the_numbers() -> None:
    time = Time()
    durations = itertools.cycle([1.0] * 24 + [100.0])
    found = benchmark(time.program(lambda: next(durations)), repeats=50, clock=time.clock)
    assert len(found.outliers) == 2
    assert all(found.wall[i] == 100 for i in found.outliers)
    assert found.p99 == 100
    assert "2 outliers" in repr(found)


def test_few_samples_are_said_to_be_too_few_and_for_what() -> None:
    assert too_few(100) == ""
    assert too_few(99) == "99 samples are too few for p99 (100)"
    assert "p90 (10)" in too_few(9)
    assert "interval" not in too_few(6)  # 2 / 2**6 is 3.1 %, 2 / 2**5 is 6.3 %
    assert too_few(5).endswith("and an interval of 95 % (6)")
    assert "99 % (8)" in too_few(7, 0.99)  # 2 / 2**8 is 0.8 %
    time = Time()
    short = benchmark(time.program(lambda: 1.0), repeats=2, min_time=0, clock=time.clock)
    assert repr(short).endswith(too_few(2))


def test_an_interval_is_said_to_be_within_its_run() -> None:
    time = Time()
    found = benchmark(time.program(lambda: 1.0), repeats=100, min_time=0, clock=time.clock)
    assert "(95 % within this run: " in repr(found)
    assert "too few" not in repr(found)


# The interval
def test_the_bootstrap_agrees_with_the_exact_interval_of_a_median() -> None:
    """Order statistics 40 and 61 of 100 cover the median with 95 % or a little more.

    That is the binomial distribution: P(40 <= B(100, 1/2) < 61) = 0.9648; P(41 <= B < 60) = 0.9431.
    """
    assert sum(math.comb(100, k) for k in range(40, 61)) / 2**100 == pytest.approx(0.9648, abs=1e-4)
    for seed in range(10):
        values = np.sort(np.random.default_rng(seed).lognormal(size=100))
        low, high = bootstrap_interval(values, seed=seed)
        assert values[37] <= low <= values[42]
        assert values[57] <= high <= values[62]


def covered(draw, block: int, n: int, trials: int = 300) -> float:
    """How often the interval of a median holds the true one, which is 1."""
    hits = 0
    for seed in range(trials):
        low, high = bootstrap_interval(
            draw(np.random.default_rng(seed), n), block=block, resamples=500, seed=seed
        )
        hits += low <= 1 <= high
    return hits / trials


def independent(rng: np.random.Generator, n: int) -> np.ndarray:
    return np.exp(0.3 * rng.standard_normal(n))


def correlated(rng: np.random.Generator, n: int) -> np.ndarray:
    """Lognormal with median 1, each resembling the one before: correlation 0.8."""
    z = [rng.standard_normal()]
    for e in rng.standard_normal(n - 1):
        z.append(0.8 * z[-1] + 0.6 * e)
    return np.exp(0.3 * np.array(z))


def test_95_percent_intervals_of_independent_times_hold_the_median_95_times_of_100() -> None:
    assert 0.92 <= covered(independent, block=1, n=50) <= 0.98


def test_blocks_keep_intervals_of_times_that_resemble_each_other_honest() -> None:
    one_by_one = covered(correlated, block=1, n=400, trials=100)
    in_blocks = covered(correlated, block=20, n=400, trials=100)
    assert one_by_one < 0.65
    assert 0.86 <= in_blocks <= 0.98


def test_a_benchmark_draws_neighbours_together() -> None:
    time = Time()
    durations = iter(
        np.concatenate([np.ones(12), 1e-3 * correlated(np.random.default_rng(2), 400)])
    )
    found = benchmark(
        time.program(lambda: float(next(durations))), repeats=400, min_time=0, clock=time.clock
    )
    single = bootstrap_interval(found.wall, seed=0)
    assert found.interval == bootstrap_interval(found.wall, block=20, seed=0)
    assert found.interval[1] - found.interval[0] > 1.5 * (single[1] - single[0])


@pytest.mark.parametrize("confidence", [0.5, 0.9])
def test_other_confidences_are_kept_too(confidence: float) -> None:
    hits = 0
    for seed in range(400):
        values = independent(np.random.default_rng(seed), 60)
        low, high = bootstrap_interval(values, confidence=confidence, resamples=500, seed=seed)
        hits += low <= 1 <= high
    assert hits / 400 == pytest.approx(confidence, abs=0.06)


def test_the_interval_of_a_mean_is_that_of_the_normal_distribution() -> None:
    values = np.random.default_rng(1).standard_normal(1000)
    low, high = bootstrap_interval(values, np.mean, seed=4)
    error = 1.96 * values.std() / math.sqrt(1000)
    assert low == pytest.approx(values.mean() - error, abs=0.006)
    assert high == pytest.approx(values.mean() + error, abs=0.006)


def test_a_seed_gives_the_same_interval_however_it_is_cut_into_pieces() -> None:
    values = np.random.default_rng(0).lognormal(size=3000)  # 2000 resamples in seven pieces
    assert bootstrap_interval(values, seed=3) == bootstrap_interval(values, seed=3)
    assert bootstrap_interval(values, seed=3) != bootstrap_interval(values, seed=4)
    assert bootstrap_interval([2.0]) == (2.0, 2.0)


def test_every_draw_is_as_long_as_what_was_measured_and_made_of_neighbours() -> None:
    drawn: list[np.ndarray] = []

    def first(rows: np.ndarray, axis: int) -> np.ndarray:
        drawn.extend(rows)
        return rows[:, 0]

    bootstrap_interval(np.arange(50.0), first, block=30, resamples=300)
    assert {row.shape for row in drawn} == {(50,)}
    steps = np.concatenate([np.diff(row[:30]) for row in drawn])
    assert set(steps) == {1.0, -49.0}  # around the end


@pytest.mark.parametrize("arguments", [{"block": 4}, {"block": 0}, {"confidence": 95}])
def test_an_interval_that_cannot_be_is_refused(arguments: dict) -> None:
    with pytest.raises(ValueError, match="at least one value"):
        bootstrap_interval([1.0, 2.0, 3.0], **arguments)
    with pytest.raises(ValueError, match="0 values"):
        bootstrap_interval([])


# Two programs
def compared(seed: int, ratio: float, spread: float = 0.1, **how):
    time = Time()
    old = time.program(lognormal(seed, 1e-3 * ratio, spread))
    new = time.program(lognormal(seed + 10_000, 1e-3, spread))
    return compare(old, new, min_time=0, seed=seed, clock=time.clock, **how)


def test_a_program_compared_with_itself_shows_no_difference_95_times_of_100() -> None:
    alarms = [compared(seed, 1.0).different for seed in range(400)]
    # 30 pairs: the sign test alone rejects 4.3 % (a split of 21 to 9 or worse)
    assert 0.005 <= np.mean(alarms) <= 0.06


def test_p_values_of_equal_programs_fall_below_5_percent_at_most_5_times_of_100() -> None:
    p = np.array([compared(seed, 1.0, pairs=100).p for seed in range(250)])
    assert np.mean(p < 0.05) <= 0.07
    assert 0.4 <= np.mean(p < 0.5) <= 0.6


def test_a_known_shift_is_found_and_its_interval_holds_it() -> None:
    found = [compared(seed, 1.9) for seed in range(200)]
    assert all(each.different and each.ratio > 1 for each in found)
    assert 0.91 <= np.mean([each.interval[0] <= 1.9 <= each.interval[1] for each in found]) <= 0.98
    small = [compared(seed, 1.05, pairs=200) for seed in range(100)]
    assert np.mean([each.different for each in small]) > 0.9


def test_drift_of_the_machine_meets_both_and_shows_no_difference() -> None:
    time = Time()
    n = itertools.count()
    takes = lognormal(1, 1e-3, 0.02)

    def slower_and_slower() -> float:
        return takes() * 1.003 ** next(n)

    program = time.program(slower_and_slower)
    alarms = [compare(program, program, min_time=0, seed=s, clock=time.clock) for s in range(20)]
    assert sum(each.different for each in alarms) <= 2
    # one after the other, the second is slower, and surely so
    first, second = (
        benchmark(program, min_time=0, max_warm_up=0, clock=time.clock) for _ in range(2)
    )
    assert first.interval[1] < second.interval[0]


def test_either_of_a_pair_comes_first_about_as_often() -> None:
    time = Time()
    order: list[str] = []

    def program(name: str):
        def run() -> None:
            order.append(name)
            time.now += 1

        return run

    compare(program("a"), program("b"), pairs=200, min_time=0, max_warm_up=0, clock=time.clock)
    # each is called twice, and the second call is timed
    pairs = ["".join(order[i : i + 4]) for i in range(len(order) - 800, len(order), 4)]
    assert set(pairs) == {"aabb", "bbaa"}
    assert 70 <= pairs.count("aabb") <= 130


@pytest.mark.parametrize("seconds", [1.0, 1e-4])
def test_a_sample_is_not_charged_for_the_caches_that_the_other_one_left(seconds: float) -> None:
    time = Time()
    since = {"a": 0, "b": 0}  # calls since the other one ran
    cold_calls = 1 if seconds == 1 else 2

    def program(name: str, takes: float):
        def run() -> float:
            other = "b" if name == "a" else "a"
            since[name] += 1
            since[other] = 0
            return takes + (5 * seconds if since[name] <= cold_calls else 0)

        return time.program(run)

    a, b = program("a", 2 * seconds), program("b", seconds)
    found = compare(a, b, pairs=10, min_time=0, clock=time.clock)
    assert found.ratios == pytest.approx((2.0,) * 10)


def test_two_copies_of_a_program_are_not_told_apart_by_where_they_lie_in_memory() -> None:
    copy = Comparison((0.99,) * 50, (0.985, 0.995), 1e-9)
    assert copy.different
    assert copy.verdict.startswith("no difference beyond 2% shown: ratio 0.99x")
    assert Comparison((0.95,) * 50, (0.94, 0.96), 1e-9).verdict.startswith("slower by 1.05x")
    assert Comparison((1.05,) * 50, (1.03, 1.07), 1e-9).verdict.startswith("faster by 1.05x")
    assert not Comparison((1.05,) * 50, (1.01, 1.07), 1e-9).counts


def test_the_verdict_says_which_and_how_far_to_trust_it() -> None:
    faster, slower, same = compared(1, 1.9), compared(2, 0.5), compared(1, 1.0)
    assert faster.verdict.startswith("faster by 1.9")
    assert "95 %: 1.8" in faster.verdict
    assert "p < 0.0001, 30 pairs" in faster.verdict
    assert slower.verdict.startswith(("slower by 2.", "slower by 1.9"))
    low, high = (float(word.strip("(,")) for word in slower.verdict.split()[5:8:2])
    assert low < 2 < high
    assert same.verdict.startswith("no difference shown: ratio ")


def test_the_sign_test_is_the_binomial_distribution() -> None:
    # scipy.stats.binomtest(k, n).pvalue, SciPy 1.17.1
    for above, n, p in (
        (9, 10, 0.021484375),
        (15, 30, 1.0),
        (21, 30, 0.0427739),
        (60, 100, 0.0568879),
    ):
        ratios = [1.5] * above + [0.5] * (n - above)
        assert sign_test(ratios) == pytest.approx(p, abs=1e-6)
        assert sign_test([1 / r for r in ratios]) == pytest.approx(p, abs=1e-6)
    assert sign_test([1.0] * 10) == 1.0
    assert sign_test([1.0] * 5 + [1.5] * 9 + [0.5]) == pytest.approx(0.021484375)


def test_holm_keeps_the_chance_of_any_false_alarm_below_5_percent() -> None:
    # statsmodels.stats.multitest.multipletests(p, method="holm")[1], 0.15.0
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []
    rng = np.random.default_rng(0)
    draws = rng.random((2000, 10))  # ten comparisons of equal programs
    assert np.mean((draws < 0.05).any(axis=1)) == pytest.approx(1 - 0.95**10, abs=0.03)
    assert np.mean([min(holm(list(row))) < 0.05 for row in draws]) <= 0.06
