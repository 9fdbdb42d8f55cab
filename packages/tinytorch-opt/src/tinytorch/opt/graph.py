"""What a model computes, as a list: `trace` listens at the door while the model runs once.

    graph = trace(model, x)
    for node in graph.nodes:
        print(node.index, node.name, node.layer, node.inputs, "->", node.shapes)

One node is one call of a primitive, in the order of the calls; where each of its operands comes
from is known, so that a reader can tell which convolution feeds which normalisation, how long an
intermediate result is needed, or what an exporter has to write. Nothing is guessed from the layers:
residual sums and functions in `forward` are seen like everything else.

Left out: control flow. A trace holds what was done for these inputs; a branch that was not taken
is not in it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinytorch.core.context import listening, no_grad
from tinytorch.core.layers import Module
from tinytorch.core.primitive import Event, Record
from tinytorch.core.tensor import Tensor
from tinytorch.core.training import evaluating


@dataclass(frozen=True)
class Given:
    """An operand that is an input of the model: number `place` of them."""

    place: int


@dataclass(frozen=True)
class State:
    """An operand that is a parameter or a buffer, by its name in the `state_dict`."""

    name: str


@dataclass(frozen=True)
class Made:
    """An operand that an earlier node computed: its output number `place`."""

    node: int
    place: int = 0


@dataclass(frozen=True)
class Constant:
    """An operand that comes from none of these: a number, or an array made in `forward`."""

    value: Any = field(compare=False)


Source = Given | State | Made | Constant


@dataclass(frozen=True)
class Node:
    """One call of a primitive.

    index   its place in `Graph.nodes`
    inputs  where each operand comes from
    shapes  of each output; dtypes likewise
    path    the modules that were being called, by dotted name, outermost first; "" is the model
    record  the door's own: params, arrays
    """

    index: int
    inputs: tuple[Source, ...]
    shapes: tuple[tuple[int, ...], ...]
    dtypes: tuple[np.dtype[Any], ...]
    path: tuple[str, ...]
    record: Record = field(repr=False, compare=False)

    @property
    def name(self) -> str:
        """The primitive's name."""
        return self.record.primitive.name

    @property
    def layer(self) -> str:
        """The innermost module that was being called, by dotted name."""
        return self.path[-1] if self.path else ""

    @property
    def params(self) -> dict[str, Any]:
        """The keyword parameters of the call."""
        return self.record.params


@dataclass(frozen=True)
class Graph:
    """The calls of one run, in order, where the model's results come from, and its state."""

    nodes: tuple[Node, ...]
    results: tuple[Source, ...]
    state: dict[str, Tensor] = field(repr=False)  # parameters and buffers, by name

    def value(self, source: Source) -> Any:
        """The array (or plain value) of a parameter, a buffer or a constant.

        Raises ValueError for what has a value only while the model runs.
        """
        if isinstance(source, State):
            return self.state[source.name].data
        if isinstance(source, Constant):
            return source.value.data if isinstance(source.value, Tensor) else source.value
        raise ValueError(f"{_shown(source)} has a value only while the model runs")

    def users(self, node: int, place: int | None = None) -> list[Node]:
        """The nodes that read an output of node number `node`: output `place`, or any."""
        return [
            other
            for other in self.nodes
            if any(
                isinstance(source, Made)
                and source.node == node
                and (place is None or source.place == place)
                for source in other.inputs
            )
        ]

    def readers(self, name: str) -> list[Node]:
        """The nodes that read the parameter or buffer called `name`."""
        return [node for node in self.nodes if State(name) in node.inputs]

    def __repr__(self) -> str:
        rows = [
            f"{n.index:4}  {n.name:<28} {n.layer:<24} {', '.join(_shown(s) for s in n.inputs)}"
            f" -> {', '.join(map(str, n.shapes))}"
            for n in self.nodes
        ]
        return "\n".join([*rows, f"results: {', '.join(_shown(s) for s in self.results)}"])


def trace(model: Module, *inputs: Any, forward: Callable[..., Any] | None = None) -> Graph:
    """Run `model(*inputs)` once, in evaluation mode, and return what it computed.

    inputs   tensors or arrays; each is `Given(place)` in the graph
    forward  what to run instead of the model, where that takes more than its inputs

    The model's parameters, buffers and mode are as before. Raises TypeError where the model
    returns anything but tensors.
    """
    given = [x if isinstance(x, Tensor) else Tensor(np.asarray(x)) for x in inputs]
    names = {module: name for name, module in model.named_modules()}
    state: dict[str, Tensor] = {}
    known: dict[int, Source] = {}
    for prefix, module in model.named_modules():
        for own, tensor in module.own_tensors().items():
            name = f"{prefix}.{own}" if prefix else own
            if id(tensor) not in known:  # one that is shared has its first name
                known[id(tensor)], state[name] = State(name), tensor
    known |= {id(x): Given(place) for place, x in enumerate(given)}
    nodes: list[Node] = []
    alive: list[Tensor] = []  # tensors are told apart by id, which must not be used twice

    def hear(event: Event) -> None:
        if event.kind != "forward":
            return
        record = event.record
        outputs = event.result if isinstance(event.result, tuple) else (event.result,)
        nodes.append(
            Node(
                index=len(nodes),
                inputs=tuple(known.get(id(x), Constant(x)) for x in record.operands),
                shapes=tuple(x.shape for x in outputs),
                dtypes=tuple(x.dtype for x in outputs),
                path=tuple(names.get(module, "") for module in record.scope),  # type: ignore[call-overload]
                record=record,
            )
        )
        alive.extend(outputs)  # operands are kept by their record
        known.update((id(x), Made(nodes[-1].index, place)) for place, x in enumerate(outputs))

    with no_grad(), evaluating(model), listening(hear):
        answer = (forward or model)(*given)
    answers = answer if isinstance(answer, Sequence) else (answer,)
    for x in answers:
        if not isinstance(x, Tensor):
            raise TypeError(
                f"trace: {type(model).__name__} returned a {type(x).__name__}, not a tensor "
                "or a tuple of tensors"
            )
    results = tuple(known.get(id(x), Constant(x)) for x in answers)
    return Graph(tuple(nodes), results, state)


def _shown(source: Source) -> str:
    if isinstance(source, Given):
        return f"input {source.place}"
    if isinstance(source, State):
        return source.name
    if isinstance(source, Made):
        return f"#{source.node}" + (f".{source.place}" if source.place else "")
    value = source.value
    shape = np.shape(value.data if isinstance(value, Tensor) else value)
    return f"constant {shape}" if math.prod(shape) != 1 else f"{value!r:.20}"
