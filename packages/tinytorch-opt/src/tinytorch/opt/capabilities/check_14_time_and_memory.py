"""Checkpoint 14: I know where time and memory go. A profiler is held to facts found without it.

Operations are counted by hand, memory with tracemalloc, time with the clock of the wall and with
operations that sleep for so long. Left out: how fast this machine is (`tito profile`).
"""

import time
import tracemalloc
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import numpy as np

from tinytorch import Tensor, no_grad
from tinytorch.arch.convolutions import Conv2d, Flatten, MaxPool2d
from tinytorch.arch.transformers import Transformer
from tinytorch.core.activations import ReLU, tanh
from tinytorch.core.layers import Linear, Module, Sequential
from tinytorch.core.losses import CrossEntropyLoss
from tinytorch.core.primitive import gradient, primitive
from tinytorch.course.checking import exercise, same
from tinytorch.opt.profile_rows import Row
from tinytorch.opt.profiling import Profiler

MB = 1_000_000
MS = 1_000_000  # nanoseconds


def noise(*shape: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def network() -> Sequential:
    """A convolution (2, 3, 8, 8) -> (2, 4, 8, 8), a pooling, and a linear layer 64 -> 5."""
    rng = np.random.default_rng(0)
    return Sequential(
        Conv2d(3, 4, 3, padding=1, rng=rng), ReLU(), MaxPool2d(2), Flatten(), Linear(64, 5, rng=rng)
    )


def row(profiler: Profiler, name: str, by: str) -> Row:
    found = {each.name: each for each in profiler.rows(by)}
    assert name in found, f"no {by} is called {name!r} in the profile; there are {list(found)}"
    return found[name]


# Operations
@exercise("14")
def check_operations_are_those_counted_by_hand_forward_and_backward() -> None:
    for wanted, conv in ((False, 2), (True, 3)):  # the products of the convolution
        model = network()
        x = Tensor(noise(2, 3, 8, 8, seed=1), requires_grad=wanted)
        with Profiler(model) as p:
            CrossEntropyLoss()(model(x), Tensor(np.array([1, 4]))).backward()
        # each of 2 x 4 x 8 x 8 pixels sums 3 x 3 x 3 products: two operations each
        same(
            row(p, "0", "layer").flops, conv * 2 * 512 * 27, call="FLOPs of Conv2d(3, 4, 3)",
            why=f"the images need {'a' if wanted else 'no'} gradient: {conv} such products",
        )  # fmt: skip
        linear = row(p, "4", "layer")
        same(linear.flops, 3 * 2 * 10 * 64, call="FLOPs of Linear(64, 5)", why="10 sums of 64")
        whole = sum(each.flops for each in p.rows())
        same(whole, conv * 27_648 + 3_840, call="all FLOPs", why="nothing else multiplies matrices")
        forward = [call for call in p.events if (call.kind, call.name) == ("forward", "linear")]
        assert len(forward) == 1, f"linear was called once, and is {len(forward)} times in events"
        cost = forward[0].cost
        assert cost is not None, "linear has a rule, and its cost is None"
        numbers = 2 * 64 + 64 * 5 + 5 + 2 * 5  # x, weight, bias, result
        same(cost.bytes, 4 * numbers, call="bytes of linear", why="each read or written once")


@exercise("14")
def check_a_transformer_costs_six_operations_for_each_weight_and_token() -> None:
    batch, length, width, layers, vocab = 3, 8, 16, 2, 11
    rng = np.random.default_rng(2)
    model = Transformer(vocab, width, 4, layers, length, rng=rng)
    tokens = rng.integers(0, vocab, (batch, length))
    with Profiler(model) as p:
        model(tokens, tokens).backward()
    weights = layers * 12 * width**2 + vocab * width  # 4 for attention, 8 for the MLP; the head
    # q k' and p v: 2 products forward, and 5 backward, which forms the scores once more
    attention = 7 * 2 * batch * layers * length**2 * width
    same(
        sum(each.flops for each in p.rows()), 6 * weights * batch * length + attention,
        call="FLOPs of a step of a GPT", why="2 forward and 4 backward, and attention on top",
    )  # fmt: skip


# Time
class Napping(Module):
    """A layer whose operation sleeps 30 ms, and its gradient 20 ms."""

    def __init__(self, nap: Callable[[Tensor], Tensor]) -> None:
        self.nap = nap

    def forward(self, x: Tensor) -> Tensor:
        return self.nap(x)


@exercise("14")
def check_a_layer_that_sleeps_has_its_time_in_both_directions() -> None:
    @primitive
    def nap_of_mine(x: Any) -> Any:
        time.sleep(0.03)
        return x.copy()

    @gradient("nap_of_mine")
    def nap_gradient(g: Any, call: Any) -> Any:
        time.sleep(0.02)
        return g

    model = Sequential(Linear(4, 4), Sequential(ReLU(), Napping(nap_of_mine)), Linear(4, 2))
    begin = time.perf_counter_ns()
    with Profiler(model) as p:
        model(Tensor(noise(3, 4, seed=3), requires_grad=True)).sum().backward()
    wall = time.perf_counter_ns() - begin
    for name in ("1.1", "1", "Sequential"):  # the layer, and those around it
        layer = row(p, name, "layer")
        said = f"{layer.forward / MS:.1f} ms forward and {layer.backward / MS:.1f} ms backward"
        slept = layer.forward > 29 * MS and layer.backward > 19 * MS  # clocks differ a little
        assert slept, f"what layer {name} holds slept 30 and 20 ms; the profile says {said}"
        same(layer.total, layer.forward + layer.backward, call=f"total of layer {name}")
        assert layer.total <= wall, f"layer {name} takes {said}, all takes {wall / MS:.1f} ms"
    own = {each.name: each.self_time / MS for each in p.rows("layer")}
    assert own["1.1"] > 49, f"layer 1.1 itself slept 50 ms; the profile says {own['1.1']:.1f} ms"
    assert sum(own.values()) * MS <= wall, (
        f"each time has one layer of its own, and {own} add up to more than {wall / MS:.1f} ms"
    )


@exercise("14")
def check_times_add_up_to_no_more_than_the_clock_on_the_wall() -> None:
    @primitive
    def innermost_of_mine(x: Any) -> Any:
        time.sleep(0.02)
        return x + 1

    @primitive
    def middle_of_mine(x: Any) -> Any:
        return innermost_of_mine(Tensor(x)).data

    @primitive
    def outermost_of_mine(x: Any) -> Any:
        return middle_of_mine(Tensor(x)).data

    model, p = network(), Profiler()
    wall = 0
    for seed in (4, 5):  # a block that is entered again adds to what was heard
        begin = time.perf_counter_ns()
        with p:
            outermost_of_mine(Tensor(noise(3, seed=seed)))
            model(Tensor(noise(2, 3, 8, 8, seed=seed))).sum().backward()
        wall += time.perf_counter_ns() - begin
    calls = 3 + 2 * 6  # six operations of the network with its sum, forward and backward
    same(len(p.events), 2 * calls, call="events of two blocks")
    assert 39 * MS < p.in_primitives <= p.time <= wall, (
        f"40 ms were slept; the calls add up to {p.in_primitives / MS:.1f} ms of "
        f"{p.time / MS:.1f} ms in the blocks, and the wall's clock says {wall / MS:.1f} ms"
    )
    for call in p.events:
        assert 0 <= call.self_time <= call.time, (
            f"{call.name}: {call.self_time} ns of its own, from begin to end {call.time} ns"
        )
    for by in ("primitive", "layer"):
        together = sum(each.self_time for each in p.rows(by))
        same(together, p.in_primitives, call=f"the times by {by}", why="each call has one row")
    sleeper = row(p, "innermost_of_mine", "primitive").self_time
    assert sleeper > 39 * MS, f"it slept 40 ms, and {sleeper / MS:.1f} ms are said to be its own"


# Memory
@exercise("14")
def check_memory_is_what_tracemalloc_sees() -> None:
    x = Tensor(np.zeros((500, 500), np.float32))
    tracemalloc.start()
    try:
        with Profiler() as p:
            before, _ = tracemalloc.get_traced_memory()
            tracemalloc.reset_peak()
            y = x + x
            z = y.reshape(-1) + y.reshape(-1)  # two views of y, which need no memory
            del y
            z = z.reshape(500, 500)
            for _ in range(3):
                z = z + z
            now, peak = tracemalloc.get_traced_memory()
            same(p.memory.live, MB, call="memory.live", why="z is alive, and nothing else")
    finally:
        tracemalloc.stop()
    alive = [call.live // MB for call in p.events]
    steps = [1, 1, 1, 2, 1, 2, 2, 2]  # y; its views; y and z; z; and the last z with the next
    same(alive, steps, call="call.live in MB", why="what somebody holds when a call ends")
    why = "what tracemalloc saw"
    same(p.memory.peak, peak - before, call="memory.peak", why=why, rtol=0.05)
    same(p.memory.live, now - before, call="memory.live", why=why, rtol=0.05)
    same(p.memory.given_peak, MB, call="memory.given_peak", why="x was there before")
    del z
    same(p.memory.live, 0, call="memory.live", why="nobody holds anything any more")


@exercise("14")
def check_training_keeps_what_asking_lets_go() -> None:
    def chain(x: Tensor) -> Tensor:
        for _ in range(6):
            x = tanh(x)
        return x

    x = Tensor(np.ones(MB // 4, np.float32), requires_grad=True)
    with Profiler() as asking, no_grad():
        answer = chain(x)
    with Profiler() as training:
        kept = chain(x)
    why = "of two results in a row the first is let go"
    same(asking.memory.peak, 2 * MB, call="memory.peak of 6 tanh in no_grad()", why=why)
    why = "backward needs all of them"
    same(training.memory.peak, 6 * MB, call="memory.peak of 6 tanh", why=why)
    same(sum(c.made for c in training.events), 6 * MB, call="bytes made", why="1 MB each")
    del answer, kept
    same(training.memory.live, 0, call="memory.live", why="a graph is gone with its result")


# What is not known, and what is left alone
@exercise("14")
def check_an_operation_without_a_rule_is_shown_and_nothing_invented() -> None:
    @primitive
    def cubes_of_mine(x: Any) -> Any:
        return x * x * x

    @gradient("cubes_of_mine")
    def cubes_gradient(g: Any, call: Any) -> Any:
        return 3 * g * call.arrays[0] ** 2

    with Profiler() as p:
        cubes_of_mine(Tensor(noise(40, 50, seed=6), requires_grad=True)).sum().backward()
    mine = row(p, "cubes_of_mine", "primitive")
    same((mine.calls, mine.rules), (1, 1), call="calls and gradient rules of an own primitive")
    assert mine.self_time > 0, "it takes time, whatever it costs"
    same(mine.made, 2 * 8000, call="bytes made", why="a result and a gradient of 2000 numbers")
    costs = [call.cost for call in p.events if call.name == "cubes_of_mine"]
    assert costs == [None, None], f"nobody said what it costs, and the profile says {costs}"
    same((mine.flops, mine.unknown), (0, 2), call="its FLOPs and events of unknown cost")
    lines = [line for line in p.table().splitlines() if line.startswith("cubes_of_mine")]
    assert lines, "it has no line in the table"
    dashes = lines[0].split().count("-")
    assert dashes >= 5, f"its line should have a dash for each cost that is not known: {lines[0]}"


@exercise("14")
def check_who_listens_changes_nothing() -> None:
    results = []
    p = Profiler()
    blocks: tuple[Any, ...] = (nullcontext(), p)
    for block in blocks:
        model = network()
        with block:
            model(Tensor(noise(2, 3, 8, 8, seed=7))).sum().backward()
        results.append([parameter.grad for parameter in model.parameters()])
    for plain, heard in zip(*results, strict=True):
        same(heard, plain, call="gradients while a Profiler listens", rtol=0, atol=0)
    events = len(p.events)
    assert events, "the profiler heard nothing"
    network()(Tensor(noise(2, 3, 8, 8, seed=8)))
    same(len(p.events), events, call="events after the block", why="it listens in the block only")
