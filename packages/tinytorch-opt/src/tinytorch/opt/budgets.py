"""Memory budgets: what a model needs while it runs, known before it is put on a device.

    plan(model, x)                         # step by step: what is alive, and where the peak is
    require_fits(model, x, ram=1_000_000)  # a BudgetError says what is too large, and what helps

The model is run once and listened to; the order of its calls says how long each result is needed.
Views (reshape, transpose) take nothing: they keep what they look at. RAM holds the results that
are needed at the same time, in one arena (`arena.py`), the model's input among them. Weights are
read only: they stand in flash, or in RAM as well where there is none.

Left out: what a kernel takes while it runs (a frame of padding, an unfolded patch), the program
itself, and computing in place: a ReLU is planned with both its input and its output. So the peak is
one of results alone, as in `tito profile` (LeNet-5, one image: 37.6 kB); `tito bench` shows what
NumPy holds here, Python's objects and what kernels take among it (44.9 kB).
"""

from __future__ import annotations

import numbers
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinytorch.core.layers import Module
from tinytorch.core.measurement import in_bytes
from tinytorch.core.primitive import Array
from tinytorch.core.tensor import Tensor
from tinytorch.opt.arena import Buffer, arena_bytes, live_bytes, placed
from tinytorch.opt.costs import owner
from tinytorch.opt.folding import fold_batch_norm
from tinytorch.opt.graph import Given, Graph, Made, Node, Source, trace
from tinytorch.opt.int4 import Int4Linear
from tinytorch.opt.quantization import QuantizedLayer, quantizable, quantize

ROWS = 24  # steps that a plan shows, at most


class BudgetError(ValueError):
    """A model that does not fit. Says what is too large, where the peak is, and what would help."""


@dataclass(frozen=True)
class Step:
    """One call of a primitive, and the bytes that must be there while it runs."""

    index: int
    name: str
    layer: str
    shapes: tuple[tuple[int, ...], ...]  # of what it gives
    live_bytes: int


@dataclass(frozen=True)
class Plan:
    """What a model needs while it computes one answer.

    buffers       every intermediate result, the inputs first, with its time and its place
    steps         every call, in order
    weight_bytes  of parameters, buffers and constants: what is the same for every input
    """

    model: str
    buffers: tuple[Buffer, ...]
    steps: tuple[Step, ...]
    weight_bytes: int

    @property
    def peak(self) -> Step:
        """The step that needs most, the first of them."""
        return max(self.steps, key=lambda step: step.live_bytes)

    @property
    def peak_bytes(self) -> int:
        """The most that must be there at once: no arena can be smaller."""
        return self.peak.live_bytes

    @property
    def arena_bytes(self) -> int:
        """The arena in which every buffer has its place."""
        return arena_bytes(self.buffers)

    @property
    def total_bytes(self) -> int:
        """Arena and weights: what a machine without flash needs."""
        return self.arena_bytes + self.weight_bytes

    def live_at(self, step: int) -> list[Buffer]:
        """The buffers that must be there during a step, the largest first."""
        alive = [buffer for buffer in self.buffers if buffer.lives_at(step)]
        return sorted(alive, key=lambda buffer: -buffer.nbytes)

    def __repr__(self) -> str:
        shown = sorted(self.steps, key=lambda step: -step.live_bytes)[:ROWS]
        rows = [f"{'step':>4}  {'primitive':<18} {'layer':<20} {'gives':<20} {'alive':>9}"]
        for step in sorted(shown, key=lambda step: step.index):
            gives = ", ".join(map(str, step.shapes))
            peak = "  <- peak" if step is self.peak else ""
            rows.append(
                f"{step.index:>4}  {step.name:<18.18} {step.layer:<20.20} {gives:<20.20} "
                f"{in_bytes(step.live_bytes):>9}{peak}"
            )
        if len(self.steps) > ROWS:
            rows.append(f"the {ROWS} of {len(self.steps)} steps that need most")
        head = (
            f"{self.model}: activations {in_bytes(self.peak_bytes)} at the peak, arena "
            f"{in_bytes(self.arena_bytes)}; weights {in_bytes(self.weight_bytes)}; together "
            f"{in_bytes(self.total_bytes)}"
        )
        return "\n".join([head, *rows])


def plan(model: Module, *inputs: Any, float_bytes: int | None = None, alignment: int = 16) -> Plan:
    """Run `model(*inputs)` once, in evaluation mode, and plan the memory that it needs.

    inputs       tensors or arrays, as large as they will be: a batch of 8 needs 8 times as much
    float_bytes  plan as if each floating-point number took so many bytes, of weights as well: 1
                 says what a runtime needs that hands on int8 from layer to layer. The layers of
                 module 15 hand on float32: `plan(quantize(model, [x]), x)` says what they need
    alignment    of places in the arena, in bytes
    """
    given = [x if isinstance(x, Tensor) else Tensor(np.asarray(x)) for x in inputs]

    def size(shape: tuple[int, ...], dtype: np.dtype[Any]) -> int:
        wide = float_bytes if float_bytes and dtype.kind == "f" else dtype.itemsize
        return int(np.prod(shape, dtype=np.int64)) * wide

    graph = trace(model, *given)
    buffers = placed(lifetimes(graph, [size(x.shape, x.dtype) for x in given], size), alignment)
    live = live_bytes(buffers, len(graph.nodes))
    return Plan(
        model=type(model).__name__,
        buffers=tuple(buffers),
        steps=tuple(
            Step(node.index, node.name, node.layer, node.shapes, bytes_)
            for node, bytes_ in zip(graph.nodes, live, strict=True)
        ),
        weight_bytes=sum(size(x.shape, x.dtype) for x in constants(graph)),
    )


def lifetimes(graph: Graph, inputs: list[int], size: Any) -> list[Buffer]:
    """Each intermediate result of a graph, with its size and its time.

    inputs  the bytes of each input of the model
    size    from a shape and a dtype to bytes

    An output that lies in the memory of an operand is a view: it prolongs that one's life. One
    that lies in the memory of a weight takes nothing.
    """
    names = [f"input {place}" for place in range(len(inputs))]
    sizes, born, last = list(inputs), [-1] * len(inputs), [0] * len(inputs)
    where: dict[Source, int] = {Given(place): place for place in range(len(inputs))}
    for node in graph.nodes:
        operands = dict(zip(node.inputs, node.record.arrays, strict=True))
        memory = {id(owner(x)): where.get(s) for s, x in operands.items() if is_array(x)}
        for source in node.inputs:
            if source in where:
                last[where[source]] = node.index
        for place, out in enumerate(outputs_of(node)):
            key = id(owner(out))
            if key not in memory:
                memory[key] = len(sizes)
                names.append(f"{node.name} {node.layer}".strip())
                sizes.append(size(out.shape, out.dtype))
                born.append(node.index)
                last.append(node.index)
            found = memory[key]
            if found is not None:
                where[Made(node.index, place)] = found
    for source in graph.results:
        if source in where:
            last[where[source]] = max(0, len(graph.nodes) - 1)
    return [Buffer(*each) for each in zip(names, sizes, born, last, strict=True)]


def is_array(x: Any) -> bool:
    """Whether an operand is an array, and not a plain value."""
    return isinstance(x, np.ndarray)


def outputs_of(node: Node) -> tuple[Array, ...]:
    """The arrays that a call gave."""
    out = node.record.out
    return out if isinstance(out, tuple) else (out,)


def constants(graph: Graph) -> Iterator[Array]:
    """Parameters, buffers, and arrays made in `forward`, each memory once."""
    seen: set[int] = set()
    fixed = [tensor.data for tensor in graph.state.values()]
    for node in graph.nodes:
        for source, x in zip(node.inputs, node.record.arrays, strict=True):
            if not isinstance(source, Given | Made) and is_array(x):
                fixed.append(x)
    for x in fixed:
        if id(owner(x)) not in seen:
            seen.add(id(owner(x)))
            yield x


# The budget
def require_fits(
    model: Module, *inputs: Any, ram: int = 1_000_000, flash: int | None = None
) -> Plan:
    """Return the plan of a model that fits a device; raise BudgetError for one that does not.

    ram    bytes for the arena
    flash  bytes for the weights. None: there is none, and the weights take RAM as well

    What would help is planned as well, each for itself. Raises TypeError or ValueError for a `ram`
    or `flash` that is no number of bytes.
    """
    for name, size in {"ram": ram, "flash": flash}.items():
        if size is not None and not isinstance(size, numbers.Real):
            raise TypeError(f"{name}={size!r}: it is a number of bytes, as in {name}=256_000")
        if size is not None and not size >= 0:
            raise ValueError(f"{name}={size}: a number of bytes is at least 0")
    found = plan(model, *inputs)
    if fits(found, ram, flash):
        return found
    lines = [f"{found.model} does not fit {in_bytes(ram)} of RAM{shown(flash)}:"]
    if flash is not None and found.weight_bytes > flash:
        lines.append(f"  weights take {in_bytes(found.weight_bytes)} of {in_bytes(flash)} of flash")
    needs = found.arena_bytes if flash is not None else found.total_bytes
    if needs > ram:
        weights = f" and weights {in_bytes(found.weight_bytes)}" if flash is None else ""
        lines.append(f"  activations take {in_bytes(found.arena_bytes)}{weights}")
        lines.append(f"  the peak is step {found.peak.index}, {found.peak.name}, {where(found)}")
        for buffer in found.live_at(found.peak.index)[:3]:
            lines.append(f"    {in_bytes(buffer.nbytes):>9}  {buffer.name}")
    lines.append("what would help:")
    lines += [f"  {line}" for line in remedies(model, inputs, found, ram, flash)]
    raise BudgetError("\n".join(lines))


def fits(found: Plan, ram: int, flash: int | None) -> bool:
    """Whether a plan is within a budget."""
    if flash is None:
        return found.total_bytes <= ram
    return found.arena_bytes <= ram and found.weight_bytes <= flash


def shown(flash: int | None) -> str:
    return " for activations and weights" if flash is None else f" and {in_bytes(flash)} of flash"


def where(found: Plan) -> str:
    """The layer of the peak, in words."""
    return f"in layer {found.peak.layer}" if found.peak.layer else "in the model's own forward"


def remedies(
    model: Module, inputs: tuple[Any, ...], found: Plan, ram: int, flash: int | None
) -> Iterator[str]:
    """What would help, each with the bytes that it was planned to take."""

    def judged(other: Plan, ram: int, flash: int | None) -> str:
        enough = "which fits" if fits(other, ram, flash) else "not enough alone"
        return (
            f"{in_bytes(other.arena_bytes)} of activations, {in_bytes(other.weight_bytes)} of "
            f"weights: {enough}"
        )

    def folded() -> Module:
        return fold_batch_norm(model, inputs[0])

    small = as_int8(model, inputs)
    short_of_weights = flash is None or found.weight_bytes > flash
    batch = np.shape(inputs[0])[0] if inputs and np.ndim(inputs[0]) > 1 else 1
    if batch > 1:
        single = tuple(x[:1] for x in inputs)
        one = plan(model, *single)
        yield f"one example at a time instead of {batch}: {judged(one, ram, flash)}"
        if small and short_of_weights and not fits(one, ram, flash):
            both = plan(small, *single)
            yield f"that, and int8 weights (module 15): {judged(both, ram, flash)}"
    if any(step.name == "batch_norm2d_eval" for step in found.steps):
        yield f"batch norms folded (module 15): {judged(plan(folded(), *inputs), ram, flash)}"
    if flash is None and found.arena_bytes <= ram:
        yield f"{in_bytes(found.weight_bytes)} of flash for the weights: the rest fits"
    if small:
        less = plan(small, *inputs)
        if short_of_weights:
            yield f"int8 weights (module 15): {judged(less, ram, flash)}"
        if not (short_of_weights and fits(less, ram, flash)):
            bytes_ = plan(model, *inputs, float_bytes=1)
            yield (
                "another runtime, that hands on int8 from layer to layer as the layers of module "
                f"15 do not (tinytorch.opt.onnx writes its file): {judged(bytes_, ram, flash)}"
            )
    if found.arena_bytes > ram:
        yield f"fewer channels, or an earlier stride, before step {found.peak.index}"
    elif found.weight_bytes > (ram - found.arena_bytes if flash is None else flash):
        yield "fewer channels, or two thin layers for a thick one (module 16)"


def as_int8(model: Module, inputs: tuple[Any, ...]) -> Module | None:
    """What `quantize` makes of a model, for its sizes only; None where it makes nothing smaller.

    The examples are drawn at random: those that a plan is made with may all be zeros.
    """
    done = any(isinstance(module, QuantizedLayer | Int4Linear) for module in model.modules())
    if done or len(inputs) != 1 or not quantizable(model):
        return None
    x = inputs[0].data if isinstance(inputs[0], Tensor) else np.asarray(inputs[0])
    if x.dtype.kind == "f":
        x = np.random.default_rng(0).standard_normal(x.shape).astype(x.dtype)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the ranges: here they do not matter
            return quantize(model, [x])
    except ValueError:  # a layer that is never reached, say: then it is no advice
        return None
