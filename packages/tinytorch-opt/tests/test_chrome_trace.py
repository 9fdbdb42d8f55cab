"""The trace: valid by the format's rules, boxes that nest, and written whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinytorch.arch.models import LeNet5, Transformer
from tinytorch.core.losses import CrossEntropyLoss
from tinytorch.core.tensor import Tensor
from tinytorch.opt.chrome_trace import layer_runs, trace, write_trace
from tinytorch.opt.profiling import Call, Profiler

# "Trace Event Format", Google, 2016: which fields an event of each phase must have
FIELDS: dict[str, dict[str, type | tuple[type, ...]]] = {
    "X": {"name": str, "cat": str, "ts": float, "dur": float, "pid": int, "tid": int, "args": dict},
    "C": {"name": str, "ts": float, "pid": int, "args": dict},
    "M": {"name": str, "pid": int, "tid": int, "args": dict},
}


def check_format(content: dict[str, Any]) -> None:
    """Fail unless a trace has what the format asks for."""
    assert content.keys() == {"traceEvents", "displayTimeUnit"}
    assert content["displayTimeUnit"] in ("ms", "ns")
    for event in content["traceEvents"]:
        fields = FIELDS[event["ph"]]
        assert event.keys() == {"ph", *fields}
        for name, kind in fields.items():
            assert isinstance(event[name], kind), (name, event)
        if event["ph"] == "X":
            assert event["ts"] >= 0
            assert event["dur"] >= 0
        if event["ph"] == "C":
            assert all(isinstance(value, int) and value >= 0 for value in event["args"].values())


def check_nesting(content: dict[str, Any]) -> int:
    """Fail if two slices of a thread overlap without one lying in the other; return the depth."""
    deepest = 0
    slices = [event for event in content["traceEvents"] if event["ph"] == "X"]
    for thread in {event["tid"] for event in slices}:
        open_: list[float] = []
        for event in [each for each in slices if each["tid"] == thread]:  # in order of the file
            start, stop = event["ts"], event["ts"] + event["dur"]
            while open_ and open_[-1] <= start + 1e-6:
                open_.pop()
            assert not open_ or stop <= open_[-1] + 1e-6, event
            open_.append(stop)
            deepest = max(deepest, len(open_))
    return deepest


def lenet_profile() -> Profiler:
    model = LeNet5(rng=np.random.default_rng(0))
    with Profiler(model) as p:
        CrossEntropyLoss()(model(Tensor(np.ones((2, 1, 28, 28)))), np.array([0, 1])).backward()
    return p


def test_a_trace_is_json_of_the_format_and_its_slices_nest(tmp_path: Path) -> None:
    p = lenet_profile()
    write_trace(p, tmp_path / "trace.json")
    content = json.loads((tmp_path / "trace.json").read_text("utf-8"))
    check_format(content)
    assert check_nesting(content) == 3  # model, layer, call
    slices = [event for event in content["traceEvents"] if event["ph"] == "X"]
    calls = [event for event in slices if event["cat"] != "layer"]
    assert len(calls) == len(p.events)
    assert min(event["ts"] for event in slices) == 0
    assert max(event["ts"] for event in slices) * 1000 <= p.time
    assert sum(event["dur"] for event in calls) == pytest.approx(p.in_primitives / 1000)
    model = [event for event in slices if event["name"] == "LeNet5"]
    assert len(model) == 2  # forward and backward
    assert {event["args"]["class"] for event in model} == {"LeNet5"}
    alive = [event["args"]["bytes"] for event in content["traceEvents"] if event["ph"] == "C"]
    assert max(alive) == max(call.live for call in p.events)


def test_blocks_of_a_transformer_are_boxes_in_boxes() -> None:
    model = Transformer(20, 8, 2, 2, context=6)
    with Profiler(model) as p:
        model(np.zeros((1, 6), int), np.zeros((1, 6), int)).backward()
    content = trace(p)
    check_format(content)
    assert check_nesting(content) == 5  # model, block, attention, projection, call
    names = [e["name"] for e in content["traceEvents"] if e["ph"] == "X" and e["cat"] == "layer"]
    assert names.count("blocks.1") == 2
    inner = next(e for e in content["traceEvents"] if e["name"] == "blocks.0.attention.key")
    outer = next(e for e in content["traceEvents"] if e["name"] == "blocks.0.attention")
    assert outer["ts"] <= inner["ts"]
    assert inner["ts"] + inner["dur"] <= outer["ts"] + outer["dur"]


def call(start: int, stop: int, *layers: str, kind: str = "forward") -> Call:
    return Call(kind, "add", layers, start, stop, 0, 1, (), None, 0, 0)


def test_a_layer_lasts_from_its_first_call_to_its_last_one_in_a_row() -> None:
    calls = [
        call(0, 10, "m", "a"),
        call(20, 30, "m", "a"),
        call(40, 50, "m", "b"),
        call(60, 70, "m", "a"),
        call(80, 90),
        call(100, 110, "m", "a"),
        call(120, 130, "m", "a", kind="backward"),
    ]
    assert [tuple(run) for run in layer_runs(calls)] == [
        (0, "m", 0, 70),
        (0, "m", 100, 110),
        (0, "m", 120, 130),
        (1, "a", 0, 30),
        (1, "a", 60, 70),
        (1, "a", 100, 110),
        (1, "a", 120, 130),
        (1, "b", 40, 50),
    ]


def test_calls_that_a_rule_made_stay_within_its_slice() -> None:
    p = Profiler()
    p.events += [
        call(0, 10, "m", "a"),
        call(22, 25, "m", "b"),  # made by the rule that ends after it
        call(26, 29, "m", "a"),
        call(20, 30, "m", "a", kind="backward"),
        call(40, 50, "m", kind="backward"),
    ]
    content = trace(p)
    assert check_nesting(content) == 4  # model, layer, rule, call
    assert "b" not in {event["name"] for event in content["traceEvents"]}


PATHS = st.lists(st.sampled_from("abc"), max_size=4)


@settings(deadline=None)
@given(st.lists(st.tuples(PATHS, st.booleans(), st.integers(0, 3)), max_size=12))
def test_whatever_was_called_the_boxes_nest(steps: list[tuple[list[str], bool, int]]) -> None:
    p, now = Profiler(), 0
    for path, forward, length in steps:
        layers = [".".join(path[: i + 1]) for i in range(len(path))]
        kind = "forward" if forward else "backward"
        p.events.append(call(now, now + length, *layers, kind=kind))
        now += length + length % 2
    content = trace(p)
    check_format(content)
    check_nesting(content)


def test_threads_have_rows_of_their_own() -> None:
    p = Profiler()
    p.events += [call(0, 10, "m"), call(5, 15, "m")._replace(thread=2)]
    content = trace(p)
    check_nesting(content)
    threads = [e["args"]["name"] for e in content["traceEvents"] if e["name"] == "thread_name"]
    assert threads == ["thread 1", "thread 2"]


def test_an_unknown_cost_is_left_out_and_not_0() -> None:
    p = Profiler()
    p.events.append(call(0, 10))
    [event] = [e for e in trace(p)["traceEvents"] if e["ph"] == "X"]
    assert event["args"].keys() == {"layer", "shapes", "made bytes"}


def test_an_empty_profile_is_an_empty_trace(tmp_path: Path) -> None:
    assert trace(Profiler())["traceEvents"] == []


def test_a_trace_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    path.write_text("before", "utf-8")
    p = lenet_profile()
    p.events[-1] = p.events[-1]._replace(made=object())  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        write_trace(p, path)
    assert path.read_text("utf-8") == "before"
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(FileNotFoundError, match="no folder"):
        write_trace(lenet_profile(), tmp_path / "nowhere" / "trace.json")
