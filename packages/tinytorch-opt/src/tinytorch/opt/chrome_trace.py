"""A profile as a Chrome trace: JSON that chrome://tracing, Perfetto and others draw in time.

    write_trace(p, "trace.json")

Every call is a slice; around it stand the layers that it was made in, so that the picture is one of
nested boxes; a counter shows the bytes that are alive. The format is Google's "Trace Event Format",
of which this writes complete events (X), counters (C) and names (M), with times in microseconds.

Left out: when a layer begins and ends, which passes no door. Its slice goes from its first call to
its last, as long as no call of another comes between; called twice in a row it is one slice.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from tinytorch.core.files import AnyPath, write_atomically
from tinytorch.opt.profiling import Call, Profiler

PROCESS = 1  # there is but one


def write_trace(profile: Profiler, path: AnyPath) -> None:
    """Write the trace of a profile into a file, whole or not at all.

    Raises FileNotFoundError where there is no folder to write in.
    """
    write_atomically(path, json.dumps(trace(profile), separators=(",", ":")))


def trace(profile: Profiler) -> dict[str, Any]:
    """The trace as what `json.dump` takes: {"traceEvents": [...], "displayTimeUnit": "ms"}."""
    if not profile.events:
        return {"traceEvents": [], "displayTimeUnit": "ms"}
    zero = min(call.start for call in profile.events)
    threads: dict[int, list[Call]] = {}
    for call in profile.events:
        threads.setdefault(call.thread, []).append(call)
    events = [_name("process_name", 0, "TinyTorch")]
    for number, calls in enumerate(threads.values(), start=1):
        calls.sort(key=lambda call: (call.start, -call.stop))  # what contains a call before it
        events.append(_name("thread_name", number, f"thread {number}"))
        slices = [_layer_slice(run, profile) for run in layer_runs(calls)]
        slices += [_slice(call) for call in calls]
        # of boxes that begin together the outer one stays first
        slices.sort(key=lambda each: each["ts"])
        events += [
            {**each, "ts": (each["ts"] - zero) / 1000, "dur": each["dur"] / 1000, "tid": number}
            for each in slices
        ]
    events += [_counter(call, zero) for call in profile.events]
    return {"traceEvents": events, "displayTimeUnit": "ms"}


class Run(NamedTuple):
    """A stretch of neighbouring calls in one layer, in nanoseconds."""

    depth: int  # how many layers are around it
    name: str
    start: int
    stop: int


def layer_runs(calls: Sequence[Call]) -> list[Run]:
    """The stretches of each layer, outer ones first. Forward and backward are different stretches.

    calls  of one thread, in order of their start. A call that a gradient rule made lies in that of
           the rule, and in no stretch of its own
    """
    runs: list[Run] = []
    around: list[tuple[str, int]] = []  # name and start of the layers that are open
    kind, end = "", 0

    def close(depth: int) -> None:
        while len(around) > depth:
            name, start = around.pop()
            runs.append(Run(len(around), name, start, end))

    for call in calls:
        if call.start < end:
            continue
        same = 0
        if call.kind == kind:
            names = [name for name, _ in around]
            while call.layers[: same + 1] == tuple(names[: same + 1]) and same < len(names):
                same += 1
        close(same)
        around += [(name, call.start) for name in call.layers[same:]]
        kind, end = call.kind, call.stop
    close(0)
    return sorted(runs)


def _slice(call: Call) -> dict[str, Any]:
    about: dict[str, Any] = {
        "layer": call.layer,
        "shapes": [list(shape) for shape in call.shapes],
        "made bytes": call.made,
    }
    if call.cost is not None:
        about |= {
            "FLOPs": call.cost.flops,
            "other operations": call.cost.other,
            "bytes": call.cost.bytes,
        }
    name = call.name if call.kind == "forward" else f"{call.name} backward"
    return _complete(name, call.kind, call.start, call.stop, about)


def _layer_slice(run: Run, profile: Profiler) -> dict[str, Any]:
    about = {"class": profile.layers.kinds.get(run.name, "")}
    return _complete(run.name, "layer", run.start, run.stop, about)


def _complete(
    name: str, category: str, start: int, stop: int, about: dict[str, Any]
) -> dict[str, Any]:
    """A slice, in nanoseconds until it is known which call was the first."""
    times = {"ts": start, "dur": stop - start}
    return {"name": name, "cat": category, "ph": "X", **times, "pid": PROCESS, "args": about}


def _counter(call: Call, zero: int) -> dict[str, Any]:
    return {
        "name": "alive",
        "ph": "C",
        "ts": (call.stop - zero) / 1000,
        "pid": PROCESS,
        "args": {"bytes": call.live},
    }


def _name(what: str, thread: int, name: str) -> dict[str, Any]:
    return {"name": what, "ph": "M", "pid": PROCESS, "tid": thread, "args": {"name": name}}
