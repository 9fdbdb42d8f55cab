"""The profiler: what it hears, to which layer it gives it, what is alive, and what it leaves alone.

Left out: the costs themselves (`test_costs.py`), and how long anything takes.
"""

from __future__ import annotations

import gc
import sys
import threading
import tracemalloc
import weakref
from collections.abc import Iterator
from contextvars import copy_context
from typing import Any

import numpy as np
import pytest

from tinytorch.arch.models import CharGPT, LeNet5, Transformer
from tinytorch.core import primitive as door
from tinytorch.core.activations import relu
from tinytorch.core.context import current, no_grad
from tinytorch.core.layers import Linear, Module, Sequential
from tinytorch.core.losses import CrossEntropyLoss
from tinytorch.core.measurement import peak_bytes
from tinytorch.core.primitive import gradient, primitive
from tinytorch.core.tensor import Tensor
from tinytorch.opt.budgets import plan
from tinytorch.opt.profile_rows import OUTSIDE, Row
from tinytorch.opt.profile_table import grid
from tinytorch.opt.profiling import Call, Profiler, overhead

MB = 1_000_000


@pytest.fixture
def own_primitives() -> Iterator[None]:
    """Primitives of a test end with it: others ask of all that there are."""
    before = set(door._PRIMITIVES)
    yield
    for name in set(door._PRIMITIVES) - before:
        for table in (door._PRIMITIVES, door.RULES, door.KERNELS):
            table.pop(name, None)


def lenet_step(model: Module, batch: int = 4) -> None:
    rng = np.random.default_rng(0)
    x = Tensor(rng.standard_normal((batch, 1, 28, 28), np.float32))
    CrossEntropyLoss()(model(x), np.arange(batch) % 10).backward()


def profiled_lenet(batch: int = 4) -> Profiler:
    model = LeNet5(rng=np.random.default_rng(0))
    with Profiler(model) as p:
        lenet_step(model, batch)
    return p


# What is heard
def test_every_call_and_every_rule_is_an_event_in_order() -> None:
    x = Tensor(np.ones((2, 3)), requires_grad=True)
    with Profiler() as p:
        (relu(x) * 2).sum().backward()
    assert [(call.kind, call.name) for call in p.events] == [
        ("forward", "relu"),
        ("forward", "mul"),
        ("forward", "sum"),
        ("backward", "sum"),
        ("backward", "mul"),
        ("backward", "relu"),
    ]
    assert p.events[1].shapes == ((2, 3), ())


def test_events_lie_one_after_the_other_within_the_block() -> None:
    p = profiled_lenet()
    for before, after in zip(p.events, p.events[1:], strict=False):
        assert before.start <= before.stop <= after.start
    assert 0 < p.in_primitives + p.own_time <= p.time
    assert all(call.inside == 0 for call in p.events)


def test_results_are_the_same_with_and_without() -> None:
    model, x = LeNet5(rng=np.random.default_rng(0)), Tensor(np.ones((2, 1, 28, 28)))
    plain = model(x).data
    with Profiler(model):
        profiled = model(x).data
    np.testing.assert_array_equal(plain, profiled)


def test_a_block_entered_again_adds_and_one_inside_itself_is_refused() -> None:
    x = Tensor(np.ones(3))
    p = Profiler()
    with p:
        x + x
    before = p.time
    with p:
        x + x
    first, second = p.events
    assert p.time >= first.time + second.time
    assert p.time > before + second.time
    with p, pytest.raises(RuntimeError, match="needs its own"):
        p.__enter__()


def test_a_profiler_inside_another_hears_the_same_calls() -> None:
    x = Tensor(np.ones(3))
    with Profiler() as outer:
        x + x
        with Profiler() as inner:
            x * x
    assert [call.name for call in outer.events] == ["add", "mul"]
    assert [call.name for call in inner.events] == ["mul"]


def test_only_a_model_can_be_given() -> None:
    with pytest.raises(TypeError, match="call the model inside"):
        Profiler(Tensor(1.0))  # type: ignore[arg-type]


@pytest.mark.usefixtures("own_primitives")
def test_time_in_calls_that_a_rule_makes_belongs_to_them() -> None:
    @primitive
    def computed_again(x: Any) -> Any:
        return x * 2

    @gradient("computed_again")
    def computed_again_gradient(g: Any, call: Any) -> Any:
        inner = Tensor(call.arrays[0])
        return g * (relu(inner) + inner).data

    x = Tensor(np.ones((300, 300)), requires_grad=True)
    with Profiler() as p:
        computed_again(x).sum().backward()
    *_, first, second, rule = p.events
    assert (first.name, second.name, rule.name) == ("relu", "add", "computed_again")
    assert rule.inside > first.time + second.time  # by what it took to hear of them
    assert rule.inside <= first.time + second.time + p.own_time
    assert rule.self_time == rule.time - rule.inside > 0
    assert p.in_primitives <= p.time


def test_time_inside_is_of_this_thread_and_counted_once() -> None:
    p = Profiler()

    def call(start: int, stop: int, inside: int, thread: int) -> Call:
        return Call("forward", "add", (), start, stop, inside, thread, (), None, 0, 0)

    p.events += [
        call(2, 4, 0, thread=1),  # before
        call(12, 18, 0, thread=1),  # inside the next one
        call(11, 19, 6, thread=1),
        call(12, 30, 0, thread=2),
    ]
    p.heard += [100, 1, 2, 200]
    assert p._inside(10, thread=1) == 8 + 1 + 2
    assert p._inside(20, thread=1) == 0


# Layers
def test_layers_have_the_names_of_the_state_dict_and_the_model_that_of_its_class() -> None:
    model = Transformer(20, 8, 2, 1, context=6)
    with Profiler(model) as p, no_grad():
        model(np.zeros((1, 6), int))
    paths = {call.layers for call in p.events}
    block = ("Transformer", "blocks.0")
    assert (*block, "blocks.0.attention", "blocks.0.attention.query") in paths
    assert (*block, "blocks.0.mlp") in paths
    assert ("Transformer", "tokens") in paths
    names = {name for name, _ in model.named_modules()}
    assert {path[-1] for path in paths if len(path) > 1} <= names


def test_a_rule_is_given_to_the_layer_that_made_the_record() -> None:
    p = profiled_lenet()
    forward = [(c.name, c.layer) for c in p.events if c.kind == "forward"]
    backward = [(c.name, c.layer) for c in p.events if c.kind == "backward"]
    assert sorted(forward) == sorted(backward)
    assert ("conv2d", "3") in backward
    assert ("cross_entropy", "") in backward


def test_a_layer_holds_what_is_inside_and_the_rows_add_up() -> None:
    p = profiled_lenet()
    rows = {row.name: row for row in p.rows("layer")}
    inside = [row for name, row in rows.items() if name.isdigit()]
    model = rows["LeNet5"]
    assert model.total == model.self_time + sum(row.total for row in inside)
    assert model.total + rows[OUTSIDE].total == p.in_primitives
    assert sum(row.self_time for row in rows.values()) == p.in_primitives
    assert model.flops == sum(c.cost.flops for c in p.events if c.cost)
    assert sum(row.total for row in p.rows()) == p.in_primitives
    assert all(row.forward + row.backward == row.total for row in rows.values())


def test_without_a_model_the_outermost_module_gives_the_name() -> None:
    inner = Sequential(Linear(3, 3), Linear(3, 2))
    with Profiler() as p:
        inner(Tensor(np.ones((1, 3))))
        Linear(3, 3)(Tensor(np.ones((1, 3))))
        Linear(3, 3)(Tensor(np.ones((1, 3))))
    assert [call.layers for call in p.events] == [
        ("Sequential", "Sequential.0"),
        ("Sequential", "Sequential.1"),
        ("Linear",),
        ("Linear#2",),
    ]


def test_a_module_made_on_the_way_is_named_after_its_class() -> None:
    class Odd(Module):
        def forward(self, x: Tensor) -> Tensor:
            return Linear(3, 3)(x)

    model = Odd()
    with Profiler(model) as p:
        model(Tensor(np.ones((1, 3))))
    assert p.events[0].layers == ("Odd", "Odd.Linear")


def test_a_layer_used_twice_is_one_row() -> None:
    shared = Linear(3, 3)
    model = Sequential(shared, shared)
    with Profiler(model) as p:
        model(Tensor(np.ones((1, 3))))
    assert [(row.name, row.calls) for row in p.rows("layer")] == [("Sequential", 2), ("0", 2)]


# Memory
def test_a_result_is_alive_until_nobody_holds_it() -> None:
    x = Tensor(np.zeros(MB // 4, np.float32))
    with Profiler() as p:
        y = x + x
        assert (p.memory.live, p.memory.given) == (MB, MB)
        z = y * y
        assert p.memory.live == 2 * MB
        del y
        assert p.memory.live == MB
        z = z.reshape(-1, 10)  # a view: the same buffer
        assert p.memory.live == MB
        z = z[:1]
        assert (p.memory.live, p.memory.peak) == (MB, 2 * MB)
        del z
    assert p.memory.live == 0
    assert [call.made for call in p.events] == [MB, MB, 0, 0]
    assert [call.live for call in p.events] == [MB, 2 * MB, MB, MB]
    peaks = {row.name: row.peak for row in p.rows()}
    assert peaks == {"add": MB, "mul": 2 * MB, "reshape": MB, "getitem": MB}


def test_the_profiler_keeps_no_array_alive_and_no_array_the_profiler() -> None:
    x = Tensor(np.zeros(10, np.float32), requires_grad=True)
    with Profiler() as p:
        y = (x + x).sum()
    watched = weakref.ref(y.data)
    del y
    gc.collect()
    assert watched() is None
    with Profiler() as second:
        kept = x + x
    watchers = weakref.ref(second), weakref.ref(second.memory)
    gc.disable()  # no cycle may be needed to be found
    try:
        del second
    finally:
        gc.enable()
    assert [watcher() for watcher in watchers] == [None, None]
    del kept  # its end is told to nobody
    assert len(p.events) == 2


def test_what_a_kernel_keeps_for_backward_is_counted() -> None:
    heads = [Tensor(np.ones((1, 2, 64, 8)), np.float32, requires_grad=True) for _ in range(3)]
    attention = door.primitives()["scaled_dot_product_attention"]
    with Profiler() as p:
        y = attention(*heads)
    record = y.node
    assert record is not None
    assert record.saved is not None, "the fast kernel keeps something: this test needs it"
    assert p.events[0].made > y.data.nbytes


def test_peak_memory_is_what_tracemalloc_sees_where_no_temporaries_are() -> None:
    x = Tensor(np.zeros((500, 500), np.float32))

    def program() -> None:
        y = x + x
        z = y + x
        del y
        z = (z + z) + x
        for _ in range(3):
            z = z + x

    tracemalloc.start()
    try:
        with Profiler() as p:
            before, _ = tracemalloc.get_traced_memory()
            tracemalloc.reset_peak()
            program()
            _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert p.memory.peak == 3 * MB  # z, z + z and their sum; x itself was given
    assert p.memory.given_peak == MB
    assert abs(peak - before - p.memory.peak) < 0.02 * p.memory.peak


def test_peak_memory_of_a_training_step_is_most_of_what_tracemalloc_sees() -> None:
    """What is missing are temporaries in calls, and gradients that `backward` adds up itself."""
    model = LeNet5(rng=np.random.default_rng(0))
    lenet_step(model, 64)  # scratch memory is there from now on
    for parameter in model.parameters():
        parameter.grad = None
    tracemalloc.start()
    try:
        with Profiler(model) as p:
            before, _ = tracemalloc.get_traced_memory()
            tracemalloc.reset_peak()
            lenet_step(model, 64)
            _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 0.85 < p.memory.peak / (peak - before) < 1.02


# Primitives of users
@pytest.mark.usefixtures("own_primitives")
def test_a_primitive_of_ones_own_is_heard_and_its_cost_is_not_known() -> None:
    @primitive
    def squares_of_mine(x: Any) -> Any:
        return x * x

    @gradient("squares_of_mine")
    def squares_gradient(g: Any, call: Any) -> Any:
        return 2 * g * call.arrays[0]

    x = Tensor(np.ones((4, 4)), requires_grad=True)
    with Profiler() as p:
        squares_of_mine(x).sum().backward()
    mine = next(row for row in p.rows() if row.name == "squares_of_mine")
    assert (mine.calls, mine.rules, mine.unknown, mine.known) == (1, 1, 2, False)
    assert mine.self_time > 0
    [line] = [line for line in p.table().splitlines() if line.startswith("squares_of_mine")]
    assert line.split()[-9:-4] == ["-"] * 5  # before the bytes made, and those of the peak
    assert "2 events are of primitives whose cost nobody stated" in p.table()
    [line] = [line for line in p.table(by="layer").splitlines() if line.startswith(OUTSIDE)]
    assert line.split()[-10].startswith(">")  # of some of it the cost is known


def test_an_error_in_the_program_passes_through_and_nobody_listens_afterwards() -> None:
    x = Tensor(np.ones(3))
    p = Profiler()

    def fails() -> None:
        with p:
            x + x
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert current().listeners == ()
    x + x
    assert len(p.events) == 1


def test_with_nobody_listening_the_door_makes_no_event_and_keeps_no_scope(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with Profiler():  # was here, and is gone
        pass

    def refuse(*_: Any) -> Any:
        raise AssertionError("an event was made for nobody")

    monkeypatch.setattr(door, "Event", refuse)
    x = Tensor(np.ones((2, 3)), requires_grad=True)
    y = Linear(3, 2)(x).sum()
    y.backward()
    assert y.node is not None
    assert y.node.scope == ()


# Threads
def test_a_thread_is_heard_only_where_it_runs_in_this_context() -> None:
    x = Tensor(np.ones(3))
    with Profiler() as p:
        plain = threading.Thread(target=lambda: x + x)
        plain.start()
        plain.join()
        assert p.events == []
        heard = threading.Thread(target=copy_context().run, args=(lambda: x * x,))
        heard.start()
        heard.join()
    assert [call.name for call in p.events] == ["mul"]
    assert p.events[0].thread != threading.get_ident()


def test_threads_at_once_lose_no_event_and_no_byte() -> None:
    x = Tensor(np.ones(250, np.float32))  # 1000 bytes
    kept: list[Tensor] = []

    def work() -> None:
        for _ in range(100):
            kept.append(x + x)
            x * x

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # so that they do get into each other's way
    try:
        with Profiler() as p:
            threads = [threading.Thread(target=copy_context().run, args=(work,)) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert len(p.events) == 800
    assert p.memory.live == 400 * 1000
    kept.clear()
    assert p.memory.live == 0
    assert all(call.inside == 0 for call in p.events)


# Tables
def test_the_table_has_a_line_for_each_primitive_and_says_where_the_time_went() -> None:
    p = profiled_lenet()
    lines = p.table().splitlines()
    assert lines[1].split()[:3] == ["Name", "Self", "%"]
    names = [line.split()[0] for line in lines[3 : lines.index(lines[0], 3)]]
    assert sorted(names) == sorted({call.name for call in p.events})
    times = [row.self_time for row in p.rows()]
    assert times == sorted(times, reverse=True)
    assert "in the block" in p.table()
    assert "in this profiler itself: 26 events" in p.table()
    assert len(p.table(limit=2).splitlines()) == len(lines) - len(names) + 2
    widths = {len(line) for line in lines[: 3 + len(names)]}
    assert len(widths) == 1


def test_the_table_says_that_its_rate_counts_more_than_flops() -> None:
    p = profiled_lenet()
    [row] = [row for row in p.rows() if row.name == "relu"]
    assert row.flops == 0
    assert row.operations_per_second == pytest.approx(row.other / row.total * 1e9)
    assert row.operations_per_second > 0
    assert "GFLOP/s counts FLOPs and Other." in " ".join(p.table().split())


def test_peaks_are_those_that_the_pages_tell_apart() -> None:
    model, x = LeNet5().eval(), Tensor(np.zeros((1, 1, 28, 28), np.float32))
    with no_grad(), Profiler(model) as p:
        model(x)
    # relu after the first convolution: what it reads and what it makes, (6, 28, 28) float32 each
    assert p.memory.peak == 2 * 4 * 6 * 28 * 28 == 37_632
    assert plan(model, x).peak_bytes == p.memory.peak
    with no_grad():
        assert 37_632 < peak_bytes(model, x) < 60_000
    assert peak_bytes(model, x) > 60_000  # with a record


def test_layers_in_order_stand_below_the_one_around_them_with_their_class() -> None:
    lines = profiled_lenet().table(by="layer").splitlines()
    assert lines[3].startswith("LeNet5 ")
    assert lines[4].startswith("  0 (Conv2d) ")
    assert not profiled_lenet().table(by="layer", sort="time").splitlines()[4].startswith(" ")


@pytest.mark.parametrize(
    ("sort", "key"),
    [
        ("total", lambda row: -row.total),
        ("calls", lambda row: -row.calls - row.rules),
        ("flops", lambda row: -row.flops),
        ("bytes", lambda row: -row.bytes),
        ("memory", lambda row: -row.made),
        ("name", lambda row: row.name),
    ],
)
def test_rows_can_be_sorted(sort: str, key: Any) -> None:
    rows: list[Row] = profiled_lenet().rows(sort=sort)
    assert [key(row) for row in rows] == sorted(key(row) for row in rows)


def test_what_cannot_be_shown_is_refused_with_what_can() -> None:
    p = Profiler()
    with pytest.raises(ValueError, match='"primitive" or "layer"'):
        p.table(by="kernel")
    with pytest.raises(ValueError, match="time, total, calls"):
        p.table(sort="speed")


def test_an_empty_profile_says_so() -> None:
    assert "Nothing was heard" in Profiler().table()
    assert repr(Profiler()).startswith("<Profiler: 0 calls and 0 gradient rules")


def test_repr_is_one_line() -> None:
    text = repr(profiled_lenet())
    assert "13 calls and 13 gradient rules" in text
    assert "\n" not in text


def test_the_overhead_is_measured_and_is_microseconds() -> None:
    assert 0 < Profiler().overhead() < 1e7
    assert overhead(calls=20, repeats=3) > 0


def test_a_gpt_is_profiled_with_backward() -> None:
    model = CharGPT(20, np.random.default_rng(0))
    tokens = np.zeros((1, 16), int)
    with Profiler(model) as p:
        model(tokens, tokens).backward()
    names = {row.name for row in p.rows()}
    assert {"scaled_dot_product_attention", "layer_norm", "gelu", "embedding"} <= names
    assert all(row.known and not row.unknown for row in p.rows())


def test_a_narrow_terminal_gets_the_columns_that_are_missed_most() -> None:
    p = profiled_lenet()
    wide, narrow = grid(p, "primitive", None, None), grid(p, "primitive", None, None, 70)
    assert "GB/s" in wide[0]
    assert set(narrow[0]) < set(wide[0])
    assert {"Name", "Self", "Forward", "Backward", "Calls", "FLOPs"} <= set(narrow[0])
    widths = [max(len(row[column]) for row in narrow) for column in range(len(narrow[0]))]
    assert sum(widths) + 2 * (len(widths) - 1) <= 70


def test_columns_that_would_say_nothing_are_left_out() -> None:
    model = LeNet5()
    with Profiler(model) as p, no_grad():
        model(Tensor(np.ones((1, 1, 28, 28))))
    assert "Backward" not in p.table().splitlines()[1]
    assert "Total" not in p.table().splitlines()[1]
    assert "Total" in p.table(by="layer").splitlines()[1]
    assert "Backward" in profiled_lenet().table().splitlines()[1]
