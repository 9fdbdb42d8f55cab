"""MLPerf's four scenarios, on made-up time: queues whose mathematics is known answer for Server."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from synthetic import Time, lognormal

from tinytorch.nn import Flatten, Linear, Sequential
from tinytorch.opt.benchmarking import percentile
from tinytorch.opt.scenarios import (
    Score,
    Trial,
    _served,
    accuracy,
    answers_of,
    multi_stream,
    offline,
    server,
    single_stream,
)

SAMPLES = list(range(100))


def program(time: Time, takes: Callable[[int], float], asked: list | None = None):
    """Answers with the samples themselves, and takes `takes(number of samples)` seconds."""

    def answer(samples: Sequence[int]) -> Sequence[int]:
        time.now += takes(len(samples))
        if asked is not None:
            asked.append(list(samples))
        return samples

    return answer


# One after the other
def test_single_stream_is_the_p90_of_single_samples() -> None:
    time, asked = Time(), []
    draw = lognormal(3)
    score = single_stream(
        program(time, lambda n: n * draw(), asked), SAMPLES, min_seconds=2, clock=time.clock
    )
    assert {len(query) for query in asked} == {1}
    assert score.value == percentile(score.latencies, 90)
    # the 90th percentile of a lognormal: median * exp(1.2816 * spread)
    assert score.value == pytest.approx(1e-3 * math.exp(1.2816 * 0.2), rel=0.02)
    assert score.interval is not None
    assert score.interval[0] < score.value < score.interval[1]
    assert score.seconds == pytest.approx(sum(score.latencies))
    assert 2 <= score.seconds < 2.01


def test_multi_stream_asks_eight_at_a_time_and_takes_p99() -> None:
    time, asked = Time(), []
    draw = lognormal(4)
    score = multi_stream(
        program(time, lambda n: n * draw(), asked), SAMPLES, min_seconds=40, clock=time.clock
    )
    assert {len(query) for query in asked} == {8}
    assert score.samples == 8 * score.queries
    assert score.value == pytest.approx(8e-3 * math.exp(2.3263 * 0.2), rel=0.03)


def test_a_run_is_as_long_as_both_its_seconds_and_its_queries_ask() -> None:
    for min_seconds, min_queries, expected in ((10, 5, 20), (1, 30, 30)):
        time = Time()
        score = single_stream(
            program(time, lambda n: 0.5),
            SAMPLES,
            min_seconds=min_seconds,
            min_queries=min_queries,
            clock=time.clock,
        )
        assert score.queries == expected


def test_samples_are_drawn_from_a_seed() -> None:
    def queries(seed: int) -> list:
        time, asked = Time(), []
        single_stream(
            program(time, lambda n: 0.1, asked), SAMPLES, min_seconds=1, seed=seed, clock=time.clock
        )
        return asked

    assert queries(1) == queries(1)
    assert queries(1) != queries(2)
    assert len({query[0] for query in queries(1)}) > 50


# All at once
def test_offline_counts_samples_a_second_in_batches_of_the_programs_choice() -> None:
    time, asked = Time(), []
    takes = program(time, lambda n: 0.01 + 0.001 * n, asked)  # a batch of 40 takes 50 ms
    score = offline(takes, SAMPLES, batch=40, min_seconds=3, clock=time.clock)
    assert score.value == pytest.approx(800)
    assert {len(query) for query in asked} == {40}
    assert score.samples >= 1000
    assert score.seconds >= 3
    short = offline(takes, SAMPLES, batch=40, min_seconds=0, min_samples=90, clock=time.clock)
    assert short.samples == 120


# At random times. D is the service time, r the rate; the load is r D
def waits_at_most(t: float, rate: float, service: float) -> float:
    """P(waiting time <= t) in the queue M/D/1: Erlang, 1909; Crommelin, 1932."""
    load, steps = rate * service, t / service
    return (1 - load) * sum(
        (load * (k - steps)) ** k / math.factorial(k) * math.exp(-load * (k - steps))
        for k in range(math.floor(steps) + 1)
    )


def highest_rate(bound: float, service: float) -> float:
    """The rate at which 99 % of queries are answered within `bound`: the formula, bisected."""
    low, high = 0.0, 1 / service
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (
            (middle, high)
            if waits_at_most(bound - service, middle, service) >= 0.99
            else (low, middle)
        )
    return low


def found_rate(
    time: Time, takes: Callable[[int], float], bound: float, queries: int = 2000, **how
) -> Score:
    return server(
        program(time, takes),
        SAMPLES,
        bound=bound,
        min_seconds=0,
        min_queries=queries,
        tolerance=0.01,
        clock=time.clock,
        wait=time.wait,
        **how,
    )


@pytest.mark.parametrize("bound", [0.03, 0.06])
def test_the_highest_rate_of_a_constant_program_is_that_of_the_queue_m_d_1(bound: float) -> None:
    service = 0.01
    score = found_rate(Time(), lambda n: service, bound, 30_000)
    assert score.value == pytest.approx(highest_rate(bound, service), rel=0.03)
    assert percentile(score.latencies, 99) <= bound
    assert next(trial for trial in score.trials if trial.rate == score.value).passed


def test_the_highest_rate_of_an_exponential_program_is_that_of_the_queue_m_m_1() -> None:
    # the time in the system is exponential with rate (1 / service - r), so p99 is ln(100) over it
    rng = np.random.default_rng(5)
    service, bound = 0.01, 0.12
    score = found_rate(Time(), lambda n: float(rng.exponential(service)), bound, 30_000)
    assert score.value == pytest.approx(1 / service - math.log(100) / bound, rel=0.06)


def test_a_queue_of_load_a_half_waits_half_a_service_on_average() -> None:
    # Pollaczek and Khinchine: load / (2 (1 - load)) services; a share of 1 - load waits not at all
    time = Time()
    found = np.array(
        _served(
            program(time, lambda n: 1.0), SAMPLES, 0.5, 40_000, 1e9, 1, 3, time.clock, time.wait
        )
    )
    assert found.mean() - 1 == pytest.approx(0.5, rel=0.05)
    assert np.mean(found < 1 + 1e-9) == pytest.approx(0.5, abs=0.02)


def test_arrivals_are_a_poisson_process() -> None:
    time = Time()
    due: list[float] = []

    def wait(moment: float) -> None:
        due.append(moment)
        time.wait(moment)

    _served(program(time, lambda n: 0.0), SAMPLES, 4.0, 20_000, 1.0, 1, 0, time.clock, wait)
    counts = np.bincount(np.floor(due).astype(int))[:-1]  # in each second
    assert counts.mean() == pytest.approx(4, rel=0.03)
    assert counts.var() == pytest.approx(4, rel=0.08)  # a Poisson's variance is its mean


def test_latency_counts_from_when_a_query_was_due_and_not_from_when_it_was_taken_up() -> None:
    time = Time()
    stall = iter([10.0])
    found = _served(
        program(time, lambda n: next(stall, 0.0)),
        SAMPLES,
        1.0,
        20,
        1e9,
        1,
        0,
        time.clock,
        time.wait,
    )
    # one stop of 10 s is felt by all who came in it, not by one of them
    assert sum(latency > 1 for latency in found) >= 5


def test_who_waits_is_answered_together_where_the_program_can() -> None:
    one = found_rate(Time(), lambda n: 0.01 + 0.001 * n, 0.1)
    eight = found_rate(Time(), lambda n: 0.01 + 0.001 * n, 0.1, max_batch=8)
    assert eight.value > 3 * one.value
    asked: list = []
    time = Time()
    _served(
        program(time, lambda n: 1.0, asked), SAMPLES, 5.0, 500, 1e9, 8, 0, time.clock, time.wait
    )
    sizes = [len(query) for query in asked]
    assert max(sizes) == 8
    assert sum(sizes) == 500


def test_a_program_too_slow_for_the_bound_serves_no_rate() -> None:
    score = found_rate(Time(), lambda n: 0.5, 0.1)
    assert score.value == 0
    assert not any(trial.passed for trial in score.trials)
    assert len(score.trials) <= 8
    assert score.queries == 0


def test_a_generous_bound_does_not_make_a_program_faster() -> None:
    # 500 queries take 5 s if all come at once: every one of them would be answered in time
    score = found_rate(Time(), lambda n: 0.01, 10.0, queries=500)
    assert 95 < score.value < 112


def test_a_run_is_given_up_once_p99_is_lost() -> None:
    time, asked = Time(), []
    _served(
        program(time, lambda n: 1.0, asked),
        SAMPLES,
        100.0,
        10_000,
        2.0,
        1,
        0,
        time.clock,
        time.wait,
    )
    assert len(asked) < 150  # 1 % of 10,000, and those before the queue grew


def test_waiting_in_real_time_is_not_too_short() -> None:
    import time

    from tinytorch.opt.scenarios import _wait_until

    for moment in (time.perf_counter() + 3e-3, time.perf_counter() + 1e-4, time.perf_counter() - 1):
        _wait_until(moment)
        assert time.perf_counter() >= moment


# Accuracy
def test_accuracy_asks_every_sample_once_with_the_same_code() -> None:
    asked: list = []

    def answer(samples: Sequence[int]) -> Sequence[np.ndarray]:
        asked.extend(samples)
        return [np.eye(10)[sample % 10] for sample in samples]

    labels = [sample % 10 if sample < 75 else 10 for sample in SAMPLES]
    assert accuracy(answer, SAMPLES, labels, batch=32) == 0.75
    assert asked == SAMPLES
    assert accuracy(answer, SAMPLES[50:], labels[50:]) == 0.5
    assert accuracy(answer, SAMPLES, labels, judge=lambda output, label: 0.25) == 0.25
    with pytest.raises(ValueError, match="100 samples and 3 labels"):
        accuracy(answer, SAMPLES, [1, 2, 3])
    with pytest.raises(ValueError, match="4 samples were asked, 1 outputs came back"):
        accuracy(lambda samples: [0], [1, 2, 3, 4], [0, 0, 0, 0])


def test_a_model_answers_a_list_of_arrays_without_a_record() -> None:
    rng = np.random.default_rng(0)
    model = Sequential(Flatten(), Linear(6, 3, rng=rng)).eval()
    images = rng.standard_normal((5, 2, 3)).astype(np.float32)
    outputs = answers_of(model)(list(images))
    linear = model[1]
    np.testing.assert_allclose(
        outputs, images.reshape(5, 6) @ linear.weight.data + linear.bias.data, rtol=1e-5
    )


# Records
def test_a_score_says_that_it_is_unofficial_wherever_it_is_written() -> None:
    score = found_rate(Time(), lambda n: 0.01, 0.05)
    assert "MLPerf-style, unofficial" in str(score)
    record = json.loads(json.dumps(score.record()))
    assert record["style"] == "MLPerf-style, unofficial"
    assert record["trials"][0].keys() == {"rate", "p99", "passed"}
    assert "latencies" not in record


@pytest.mark.parametrize(
    "call",
    [
        lambda: server(lambda s: s, SAMPLES, bound=0),
        lambda: server(lambda s: s, SAMPLES, bound=1, max_batch=0),
        lambda: single_stream(lambda s: s, []),
        lambda: multi_stream(lambda s: s, SAMPLES, width=0),
    ],
)
def test_nonsense_is_refused(call: Callable[[], Score]) -> None:
    with pytest.raises(ValueError, match=r"above 0|at least one"):
        call()


# How far to trust a score
def test_an_offline_rate_has_an_interval_within_its_run() -> None:
    time = Time()
    draw = lognormal(5, spread=0.5)
    score = offline(program(time, lambda n: draw()), SAMPLES, batch=10, clock=time.clock)
    low, high = score.interval
    assert low < score.value < high
    # 10 samples over the mean of a lognormal, whose standard deviation is 0.533 of it
    assert score.value == pytest.approx(10 / (1e-3 * math.exp(0.5**2 / 2)), rel=0.02)
    calls = score.samples / 10
    width = 2 * 1.96 * math.sqrt(math.expm1(0.5**2) / calls)
    assert (high - low) / score.value == pytest.approx(width, rel=0.2)
    assert f"(95 % within this run: {score.shown(low)} to {score.shown(high)})" in str(score)


@pytest.mark.parametrize("ask", [single_stream, multi_stream, offline, server])
def test_a_score_says_how_much_of_the_time_the_program_computed(
    ask: Callable[..., Score],
) -> None:
    time = Time()
    take = time.program(lambda: 0.01, share=0.6)

    def answer(samples: Sequence[int]) -> Sequence[int]:
        take()
        return samples

    more = {"bound": 0.1, "wait": time.wait} if ask is server else {}
    score = ask(answer, SAMPLES, min_seconds=1, clock=time.clock, **more)
    assert score.cpu_share == pytest.approx(0.6)  # a server's waiting is not in it
    assert score.record()["cpu_share"] == score.cpu_share
    assert score.at_once == {multi_stream: 8, offline: 32}.get(ask, 1)


def test_a_servers_score_names_the_lowest_rate_that_failed_above_it() -> None:
    score = found_rate(Time(), lambda n: 0.01, 0.05)
    assert score.failed is not None
    assert score.value < score.failed <= 1.05 * score.value
    assert score.interval is None
    assert Score("Server", "queries a second", 1.0, 1, 1, 1.0, 0).failed is None
    rates = ((5.0, False), (8.0, True), (20.0, False), (9.0, False))
    trials = tuple(Trial(rate, 0.1, passed) for rate, passed in rates)
    assert replace(score, value=7.0, trials=trials).failed == 9.0


def test_rates_are_written_in_one_way_however_large_they_are() -> None:
    rate, time = (
        Score("s", metric, 1.0, 1, 1, 1.0, 0) for metric in ("samples a second", "p90 latency")
    )
    assert [rate.shown(value) for value in (7032.4, 11_764.2, 1.5e6)] == [
        "7,032",
        "11,760",
        "1,500,000",
    ]
    assert time.shown(0.00117) == "1.17 ms"
