"""Several runs of one program: medians of each call, and what happens where runs differ."""

from __future__ import annotations

import numpy as np
import pytest

from tinytorch.core.layers import Linear
from tinytorch.core.tensor import Tensor
from tinytorch.opt.profiling import Call, Profiler
from tinytorch.opt.repeated_profile import median_run, profile_runs, typical


def run(*calls: tuple[str, int], heard: int = 0) -> Profiler:
    """A profile of calls of so many nanoseconds."""
    p, now = Profiler(), 0
    for name, length in calls:
        p.events.append(Call("forward", name, ("m",), now, now + length, 0, 1, (), None, 0, 0))
        p.heard.append(heard)
        now += length + heard
    p.time = now
    return p


def test_each_call_gets_its_own_median_whichever_run_was_disturbed() -> None:
    runs = [
        run(("a", 10), ("b", 900), heard=4),
        run(("a", 12), ("b", 20), heard=2),
        run(("a", 700), ("b", 22), heard=3),
    ]
    p = typical(runs)
    assert [(call.name, call.time) for call in p.events] == [("a", 12), ("b", 22)]
    assert p.in_primitives == 34
    assert p.own_time == 6
    assert p.time == 34 + 6  # outside were 8, 4 and 6


def test_the_run_of_median_time_is_the_one_without_what_the_profiler_took() -> None:
    slow, middle, fast = run(("a", 30)), run(("a", 20), heard=500), run(("a", 10))
    assert median_run([slow, middle, fast]) is middle
    assert median_run([slow, fast]) is fast
    assert typical([slow, middle, fast]).memory is middle.memory


def test_runs_that_called_something_else_cannot_be_put_together() -> None:
    runs = [run(("a", 30)), run(("b", 20)), run(("a", 10))]
    assert typical(runs) is runs[1]


def test_a_program_is_warmed_up_and_run_so_often() -> None:
    layer, x = Linear(3, 2), Tensor(np.ones((4, 3)))
    calls: list[int] = []

    def program() -> None:
        calls.append(1)
        layer(x)

    runs = profile_runs(program, layer, repeats=3, warm_up=2)
    assert (len(runs), len(calls)) == (3, 5)
    p = typical(runs)
    assert [(call.name, call.layer) for call in p.events] == [("linear", "Linear")]
    assert "linear" in p.table()
    assert p.rows("layer")[0].calls == 1
    with pytest.raises(ValueError, match="at least one run"):
        profile_runs(program, repeats=0)
