"""Budgets: what must be in memory at once, where it lies, and what is said of what does not fit."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinytorch import Tensor
from tinytorch.arch.models import CharGPT, CifarCNN, LeNet5, MobileNetV1
from tinytorch.core.activations import relu
from tinytorch.core.context import no_grad
from tinytorch.core.layers import Linear, Module, Sequential
from tinytorch.core.measurement import in_bytes, peak_bytes
from tinytorch.opt.arena import Buffer, arena_bytes, live_bytes, placed
from tinytorch.opt.budgets import BudgetError, Plan, fits, plan, require_fits
from tinytorch.opt.folding import fold_batch_norm
from tinytorch.opt.int4 import quantize_weights
from tinytorch.opt.quantization import quantize


def zeros(*shape: int) -> np.ndarray:
    return np.zeros(shape, np.float32)


class Residual(Module):
    """x -> up -> relu -> down -> + x: the input is needed until the end."""

    def __init__(self) -> None:
        self.up, self.down = Linear(4, 8), Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.down(relu(self.up(x))) + x


# Facts that can be computed by hand
def test_a_chain_needs_at_each_step_what_comes_in_and_what_goes_out() -> None:
    """A batch of 3: 4 numbers (48 bytes), 8 (96), 8 (96), 2 (24)."""
    found = plan(Sequential(Linear(4, 8), relu, Linear(8, 2)), zeros(3, 4))
    assert [step.live_bytes for step in found.steps] == [48 + 96, 96 + 96, 96 + 24]
    assert (found.peak.index, found.peak_bytes) == (1, 192)
    assert found.arena_bytes == 192
    assert found.weight_bytes == 4 * (4 * 8 + 8 + 8 * 2 + 2)
    assert [(b.name, b.nbytes, b.born, b.last) for b in found.buffers] == [
        ("input 0", 48, -1, 0),
        ("linear 0", 96, 0, 1),
        ("relu", 96, 1, 2),
        ("linear 2", 24, 2, 2),
    ]
    assert [b.name for b in found.live_at(1)] == ["linear 0", "relu"]


def test_what_is_added_in_the_end_is_needed_all_the_while() -> None:
    """x 48, up 96, relu 96, down 48, sum 48: x is alive at every step."""
    found = plan(Residual(), zeros(3, 4))
    assert [step.live_bytes for step in found.steps] == [144, 240, 192, 144]


def test_views_take_nothing_and_prolong_the_life_of_what_they_look_at() -> None:
    class Views(Module):
        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            h = x * 2.0  # 24 numbers, 96 bytes
            rows = h.reshape(4, 6)
            small = rows[:, 0].sum(axis=0)  # indexing is a view here
            return rows.transpose(0, 1), small

    found = plan(Views(), zeros(2, 12))
    assert [(b.name, b.nbytes) for b in found.buffers] == [
        ("input 0", 96),
        ("mul", 96),
        ("sum", 4),
    ]
    assert found.buffers[1].last == len(found.steps) - 1
    assert found.steps[-1].live_bytes == 100


def test_lenet_peaks_at_its_first_relu() -> None:
    """6 planes of 28 x 28 come in and go out: 2 * 4 * 6 * 28 * 28 bytes. 61,706 weights."""
    found = plan(LeNet5(), zeros(1, 1, 28, 28))
    assert found.peak_bytes == found.arena_bytes == 37_632
    assert (found.peak.name, found.peak.index) == ("relu", 1)
    assert found.weight_bytes == 4 * 61_706
    assert plan(LeNet5(), zeros(8, 1, 28, 28)).peak_bytes == 8 * 37_632
    text = repr(found)
    assert text.startswith(
        "LeNet5: activations 37.6 kB at the peak, arena 37.6 kB; weights 246.8 kB; together 284.5"
    )
    assert re.search(r"1  relu .* \(1, 6, 28, 28\) +37\.6 kB  <- peak", text)


def test_as_int8_everything_but_integers_takes_a_quarter() -> None:
    x = np.zeros((1, 128), np.int64)
    whole, quarter = plan(CharGPT(), x), plan(CharGPT(), x, float_bytes=1)
    assert whole.weight_bytes == 4 * quarter.weight_bytes == 4 * 818_048
    assert whole.buffers[0].nbytes == quarter.buffers[0].nbytes == 8 * 128
    assert whole.peak_bytes == 4 * quarter.peak_bytes
    assert "the 24 of" in repr(whole)


def test_weights_that_are_shared_or_looked_at_differently_count_once() -> None:
    class Tied(Module):
        def __init__(self) -> None:
            self.weight = Tensor(zeros(4, 4), requires_grad=True)
            self.again = self.weight

        def forward(self, x: Tensor) -> Tensor:
            table = np.ones((3, 4), np.float32)  # made in forward: it must be stored somewhere
            return x @ self.weight.T @ self.again + table

    found = plan(Tied(), zeros(3, 4))
    assert found.weight_bytes == 64 + 48
    assert [b.name for b in found.buffers] == ["input 0", "matmul", "matmul", "add"]


# The arena
@st.composite
def programs(draw: st.DrawFn) -> list[tuple[str, tuple[int, ...]]]:
    """Random networks: each step takes one or two earlier values; value 0 is the input."""
    steps: list[tuple[str, tuple[int, ...]]] = []
    for made in range(1, draw(st.integers(2, 12))):
        kind = draw(st.sampled_from(["relu", "add", "wider", "narrower", "view"]))
        operands = [draw(st.integers(max(0, made - 4), made - 1))]
        if kind == "add":
            operands.append(draw(st.integers(0, made - 1)))
        steps.append((kind, tuple(operands)))
    return steps


class Program(Module):
    """Runs such a network; values are (rows, 6), and sums take as many rows as both have."""

    def __init__(self, steps: list[tuple[str, tuple[int, ...]]]) -> None:
        self.steps = steps

    def forward(self, x: Tensor) -> Tensor:
        self._values = [x]
        self.calls: list[list[int]] = []  # of each call of a primitive: the values it reads
        self.made: list[int] = []  # and which value it makes; -1 for one in between
        for number, (kind, operands) in enumerate(self.steps, start=1):
            self._values.append(self.step(kind, list(operands), number))
        return self._values[-1]

    def note(self, reads: list[int], makes: int) -> None:
        self.calls.append(reads)
        self.made.append(makes)

    def step(self, kind: str, operands: list[int], number: int) -> Tensor:
        first = self._values[operands[0]]
        self.note(operands, number)
        if kind == "relu":
            return relu(first)
        if kind == "add":
            return first.sum(axis=0, keepdims=True) + self.rest(operands, number)
        if kind == "wider":
            return first @ np.ones((6, 12), np.float32) @ self.narrow(number)
        if kind == "narrower":
            return first.max(axis=0, keepdims=True)
        return first.reshape(-1, 6)

    def rest(self, operands: list[int], number: int) -> Tensor:
        self.made[-1] = -number
        self.calls[-1] = [operands[0]]
        self.note([-number, operands[1]], number)
        return self._values[operands[1]]

    def narrow(self, number: int) -> np.ndarray:
        self.made[-1] = -number
        self.note([-number], number)
        return np.ones((12, 6), np.float32)


@settings(max_examples=80, deadline=None)
@given(steps=programs(), alignment=st.sampled_from([1, 16]), rows=st.integers(1, 9))
def test_no_byte_is_written_over_while_somebody_will_still_read_it(
    steps: list[tuple[str, tuple[int, ...]]], alignment: int, rows: int
) -> None:
    """The plan is carried out: each call reads its operands from the arena, and writes its result.

    What is in the arena is the number of the value that wrote it, so what was overwritten shows.
    The calls are those that the network notes, not those that the plan was made from.
    """
    model = Program(steps)
    found = plan(model, zeros(rows, 6), alignment=alignment)
    assert len(model.calls) == len(found.steps)
    owners: dict[int, int] = {0: 0}  # of each value, the value that owns its memory
    views = {n for n, (kind, _) in enumerate(steps, start=1) if kind == "view"}
    real = [0, *(m for m in model.made if m not in views)]
    buffers = dict(zip(real, found.buffers, strict=True))
    arena = np.full(found.arena_bytes, 9999)

    def bytes_of(value: int) -> np.ndarray:
        buffer = buffers[value]
        return arena[buffer.offset : buffer.offset + buffer.nbytes]

    bytes_of(0)[:] = 0
    for reads, makes in zip(model.calls, model.made, strict=True):
        owners[makes] = owners[reads[0]] if makes in views else makes
        if makes not in views:
            bytes_of(makes)[:] = makes
        for value in reads:
            assert (bytes_of(owners[value]) == owners[value]).all()
    last = owners[len(steps)]
    assert (bytes_of(last) == last).all()
    assert all(buffer.offset % alignment == 0 for buffer in found.buffers)
    assert found.peak_bytes <= found.arena_bytes <= sum(b.nbytes + 15 for b in found.buffers)


@settings(max_examples=200, deadline=None)
@given(
    times=st.lists(
        st.tuples(st.integers(1, 100), st.integers(-1, 9), st.integers(0, 5)), max_size=20
    ),
    alignment=st.sampled_from([1, 4, 64]),
)
def test_buffers_that_live_at_one_time_do_not_overlap(
    times: list[tuple[int, int, int]], alignment: int
) -> None:
    buffers = [Buffer(str(i), n, a, max(0, a + d)) for i, (n, a, d) in enumerate(times)]
    done = placed(buffers, alignment)
    assert [b.name for b in done] == [b.name for b in buffers]
    for i, x in enumerate(done):
        for y in done[:i]:
            together = set(range(x.born, x.last + 1)) & set(range(y.born, y.last + 1))
            assert not together or x.end <= y.offset or y.end <= x.offset
    assert arena_bytes(done) >= max(live_bytes(done, 20), default=0)


def test_small_buffers_find_room_in_the_gaps() -> None:
    """Two that never meet share their place, and a third lies beside both."""
    a, b, c = placed([Buffer("a", 64, 0, 1), Buffer("b", 40, 2, 3), Buffer("c", 30, 1, 2)], 1)
    assert (a.offset, b.offset, c.offset) == (0, 0, 64)
    a, b, c = placed([Buffer("a", 64, 0, 1), Buffer("b", 40, 2, 3), Buffer("c", 20, 2, 3)], 1)
    assert (b.offset, c.offset) == (0, 40)
    assert placed([Buffer("a", 5, 0, 1), Buffer("b", 3, 0, 1)])[1].offset == 16
    with pytest.raises(ValueError, match="alignment=0"):
        placed([], 0)


def test_what_tracemalloc_measures_is_what_was_planned() -> None:
    """Of a plain chain, within 2 %. The input was there before."""
    sizes = (64, 256, 128, 512, 64)
    layers: list[Any] = []
    for inputs, outputs in pairwise(sizes):
        layers += [Linear(inputs, outputs), relu]
    model = Sequential(layers)
    x = Tensor(zeros(500, 64))
    found = plan(model, x)
    without_input = max(live_bytes(found.buffers[1:], len(found.steps)))

    def run() -> None:
        with no_grad():
            model(x)

    run()
    assert peak_bytes(run) == pytest.approx(without_input, rel=0.02)
    assert without_input == 2 * 500 * 512 * 4


# The budget
def test_of_one_megabyte_lenet_takes_a_third() -> None:
    found = require_fits(LeNet5(), zeros(1, 1, 28, 28), ram=1_000_000)
    assert isinstance(found, Plan)
    assert found.total_bytes == found.arena_bytes + found.weight_bytes < 333_333


def test_one_megabyte_is_too_little_for_mobilenet_unless_its_weights_stand_in_flash() -> None:
    model, x = MobileNetV1(), zeros(1, 3, 96, 96)
    with pytest.raises(BudgetError) as refused:
        require_fits(model, x)
    text = str(refused.value)
    assert "MobileNetV1 does not fit 1.0 MB of RAM for activations and weights" in text
    assert "activations take 294.9 kB and weights 887.4 kB" in text
    assert "the peak is step 7, batch_norm2d_eval, in layer 7" in text
    assert "147.5 kB  conv2d 6" in text
    assert "887.4 kB of flash for the weights: the rest fits" in text
    assert "int8 weights (module 15): 294.9 kB of activations, 241.1 kB of weights: which" in text
    assert require_fits(model, x, flash=1_000_000).arena_bytes == 294_912
    with pytest.raises(BudgetError, match=r"weights take 887\.4 kB of 500\.0 kB of flash"):
        require_fits(model, x, flash=500_000)


def test_a_batch_that_is_too_large_is_told_to_come_one_by_one() -> None:
    with pytest.raises(BudgetError) as refused:
        require_fits(CifarCNN(), zeros(32, 3, 32, 32), ram=1_000_000, flash=2_000_000)
    text = str(refused.value)
    assert "and 2.0 MB of flash" in text
    assert re.search(r"one example at a time instead of 32: 131\.1 kB .*: which fits", text)
    assert re.search(r"batch norms folded \(module 15\): .*not enough alone", text)
    assert "an earlier stride, before step 3" in text
    with pytest.raises(BudgetError, match="in the model's own forward"):
        require_fits(Residual(), zeros(1, 4), ram=60, flash=10**6)


# What is advised is what happens when it is done
FOLLOWED: dict[str, Any] = {
    "one example at a time": lambda model, x: (model, x[:1]),
    "that, and int8 weights (module 15)": lambda model, x: (quantize(model, [x]), x[:1]),
    "batch norms folded (module 15)": lambda model, x: (fold_batch_norm(model, x), x),
    "int8 weights (module 15)": lambda model, x: (quantize(model, [x]), x),
}


@pytest.mark.parametrize(
    ("model", "batch", "ram", "flash"),
    [
        (LeNet5(), 8, 256_000, None),
        (LeNet5(), 1, 200_000, None),
        (LeNet5(), 1, 100_000, 100_000),
        (CifarCNN(), 4, 900_000, None),
        (CifarCNN(), 4, 900_000, 300_000),
    ],
)
def test_whoever_follows_an_advice_gets_what_it_promised(
    model: Module, batch: int, ram: int, flash: int | None
) -> None:
    size = 28 if isinstance(model, LeNet5) else 32
    channels = 1 if isinstance(model, LeNet5) else 3
    x = np.random.default_rng(0).standard_normal((batch, channels, size, size), np.float32)
    with pytest.raises(BudgetError) as refused:
        require_fits(model, x, ram=ram, flash=flash)
    advice = str(refused.value).split("what would help:\n")[1].splitlines()
    done = 0
    for line in advice:
        for words, follow in FOLLOWED.items():
            if line.startswith(f"  {words}"):
                found = plan(*follow(model, x))
                promise = f"{in_bytes(found.arena_bytes)} of activations, "
                promise += f"{in_bytes(found.weight_bytes)} of weights: "
                promise += "which fits" if fits(found, ram, flash) else "not enough alone"
                assert line.endswith(promise)
                done += 1
    assert done
    assert any("int8 weights (module 15)" in line and "which fits" in line for line in advice)


def test_int8_is_advised_where_weights_are_too_large_and_never_twice() -> None:
    """As layers of module 15 hand on float32, a lack of room for activations is not helped."""
    x = np.random.default_rng(0).standard_normal((1, 1, 28, 28), np.float32)
    with pytest.raises(BudgetError) as refused:
        require_fits(LeNet5(), x, ram=20_000, flash=1_000_000)
    assert "int8 weights" not in str(refused.value)
    assert re.search(r"another runtime, that hands on int8 .*: 9\.4 kB of", str(refused.value))
    for small in (quantize(LeNet5(), [x]), quantize_weights(LeNet5())):
        with pytest.raises(BudgetError) as refused:
            require_fits(small, np.repeat(x, 8, axis=0), ram=100_000)
        assert "int8 weights" not in str(refused.value)
        assert "hands on int8" not in str(refused.value)


def test_a_budget_is_a_number_of_bytes() -> None:
    with pytest.raises(TypeError, match="ram='256k': it is a number of bytes, as in ram=256_000"):
        require_fits(LeNet5(), zeros(1, 1, 28, 28), ram="256k")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="flash=-1: a number of bytes is at least 0"):
        require_fits(LeNet5(), zeros(1, 1, 28, 28), flash=-1)
