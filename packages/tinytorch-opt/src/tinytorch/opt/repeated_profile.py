"""A program profiled several times, because a single run shows what else the machine did.

    runs = profile_runs(lambda: model(x), model)
    print(typical(runs).table())               # each call with the median of its times
    write_trace(median_run(runs), "trace.json")  # a run as it was

Left out: intervals, outliers and comparisons, which are module 19's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median

from tinytorch.core.layers import Module
from tinytorch.opt.profiling import Profiler


def profile_runs(
    program: Callable[[], object],
    model: Module | None = None,
    *,
    repeats: int = 5,
    warm_up: int = 1,
) -> list[Profiler]:
    """Run `program()` a few times, each under a Profiler of its own; `warm_up` times without.

    Raises ValueError for less than one run.
    """
    if repeats < 1 or warm_up < 0:
        raise ValueError(f"repeats={repeats}, warm_up={warm_up}: at least one run, none below 0")
    for _ in range(warm_up):
        program()
    runs = []
    for _ in range(repeats):
        with Profiler(model) as p:
            program()
        runs.append(p)
    return runs


def median_run(runs: Sequence[Profiler]) -> Profiler:
    """The run of median time in the program, of an even number the faster one in the middle."""
    return sorted(runs, key=lambda p: p.time - p.own_time)[(len(runs) - 1) // 2]


def typical(runs: Sequence[Profiler]) -> Profiler:
    """One profile of all runs: the events of one, each with the median of its times in all.

    The time of the block is the sum of these and the median of what was outside of primitives.

    Memory is that of the run of median time. Where runs differ in what they called, so that no
    event can be told from another, it is that run as it was.
    """
    middle = median_run(runs)
    called = {tuple((call.kind, call.name, call.layers) for call in p.events) for p in runs}
    if len(called) > 1:
        return middle
    answer = Profiler()
    answer.layers, answer.memory = middle.layers, middle.memory
    for i, call in enumerate(middle.events):
        same = [p.events[i] for p in runs]
        length = round(median(each.time for each in same))
        inside = round(median(each.inside for each in same))
        answer.events.append(call._replace(stop=call.start + length, inside=min(inside, length)))
    answer.heard = [round(median(took)) for took in zip(*(p.heard for p in runs), strict=True)]
    outside = median(p.time - p.in_primitives for p in runs)
    answer.time = answer.in_primitives + round(outside)
    return answer
