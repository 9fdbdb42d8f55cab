"""Which channels of a network belong together: followed through its graph, index by index.

If output 7 of a convolution goes, so do value 7 of the normalisation after it, input 7 of every
layer that reads it, the block of 25 inputs which a flattened 5x5 channel feeds, and channel 7 of
whatever it is added to. So each index of each axis of a parameter has a number, a unit, and every
operation says which of them are the same. What an operation here does not know holds the units
that it meets: they cannot be removed, and `why` names the operation.

Left out: what each operation does with units (`channel_rules.py`), which of them to remove, and
removing them (`structured.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from tinytorch.core.primitive import Array
from tinytorch.opt.channel_rules import RULES, Axis, unknown
from tinytorch.opt.graph import Graph, Made, Node, Source, State


@dataclass(frozen=True)
class Producer:
    """A layer that makes units: the axis of its weight along which its outputs lie."""

    layer: str
    weight: str  # by its name in the state
    axis: int


@dataclass(frozen=True)
class Group:
    """Producers that share units: if a channel of one goes, that of the others goes with it."""

    producers: tuple[Producer, ...]
    units: Array = field(repr=False)  # in the order of the first producer's channels

    @property
    def layers(self) -> tuple[str, ...]:
        """The dotted names of the layers."""
        return tuple(dict.fromkeys(producer.layer for producer in self.producers))


class Channels:
    """The units of a graph: `groups()` lists them, `of_state(name)` says where they lie."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.parents: list[int] = []  # of a union-find: units that are the same have one root
        self.reasons: dict[int, str] = {}  # by root: what holds it
        self.states: dict[str, list[Axis]] = {}
        self.values: dict[tuple[int, int], list[Axis]] = {}
        self.producers: list[Producer] = []
        self.scales: list[str] = []  # the weights of batch normalisations
        self.depthwise: dict[str, str] = {}  # layers whose number of groups is that of channels
        for node in graph.nodes:
            made = RULES.get(node.name, unknown)(self, node)
            for place, axes in enumerate(made):
                self.values[node.index, place] = axes
        for source in graph.results:
            self.hold(self.axes(source), "the model returns it")

    # Units
    def root(self, unit: int) -> int:
        """The unit that stands for all that are the same."""
        while self.parents[unit] != unit:
            self.parents[unit] = self.parents[self.parents[unit]]
            unit = self.parents[unit]
        return unit

    def roots(self, units: Array) -> Array:
        """The same for many."""
        return np.array([self.root(unit) for unit in units.tolist()], int)

    def fresh(self, count: int) -> Array:
        """New units."""
        start = len(self.parents)
        self.parents.extend(range(start, start + count))
        return np.arange(start, start + count)

    def hold(self, axes: Sequence[Axis], why: str) -> None:
        """Let the units of these axes stay for ever."""
        for units in axes:
            if units is not None:
                for unit in units.tolist():
                    self.reasons.setdefault(self.root(unit), why)

    def same(self, axes: Sequence[Axis], why: str) -> Axis:
        """Say that these axes have the same units; one that is not followed holds the others."""
        followed = [units for units in axes if units is not None]
        if not followed:
            return None
        first = followed[0]
        for other in followed[1:]:
            for a, b in zip(first.tolist(), other.tolist(), strict=True):
                a, b = self.root(a), self.root(b)
                self.parents[b] = a
                if b in self.reasons:
                    self.reasons.setdefault(a, self.reasons[b])
        if len(followed) < len(axes):
            self.hold(followed, why)
        return first

    def why(self, unit: int) -> str | None:
        """What holds a unit; None if it can go."""
        return self.reasons.get(self.root(unit))

    # Where they lie
    def of_state(self, name: str) -> list[Axis]:
        """The units along each axis of a parameter or buffer."""
        if name not in self.states:
            self.states[name] = [self.fresh(n) for n in self.graph.state[name].shape]
        return self.states[name]

    def axes(self, source: Source, shape: tuple[int, ...] = ()) -> list[Axis]:
        """The units along each axis of an operand of this shape."""
        if isinstance(source, State):
            return self.of_state(source.name)
        if isinstance(source, Made):
            return self.values[source.node, source.place]
        return [None] * len(shape)

    def operands(self, node: Node) -> list[list[Axis]]:
        """The units of each operand of a node."""
        shapes = [np.shape(array) for array in node.record.arrays]
        return [self.axes(s, shape) for s, shape in zip(node.inputs, shapes, strict=True)]

    def produce(self, node: Node, axis: int) -> None:
        """Note that a node makes the units along this axis of its weight."""
        weight = node.inputs[1]
        if isinstance(weight, State):
            self.producers.append(Producer(node.layer, weight.name, axis))

    def groups(self) -> list[Group]:
        """The producers that share units, in the order of their calls."""
        units = [self.roots(self._made_by(producer)) for producer in self.producers]
        groups: list[tuple[list[int], set[int]]] = []
        for number, own in enumerate(units):
            mine, members = set(own.tolist()), [number]
            for group in [g for g in groups if g[1] & mine]:
                members, mine = group[0] + members, group[1] | mine
                groups.remove(group)
            groups.append((sorted(members), mine))
        groups.sort(key=lambda group: group[0][0])
        return [
            Group(
                tuple(dict.fromkeys(self.producers[i] for i in members)),
                np.array(list(dict.fromkeys(int(u) for i in members for u in units[i])), int),
            )
            for members, _ in groups
        ]

    def _made_by(self, producer: Producer) -> Array:
        units = self.of_state(producer.weight)[producer.axis]
        assert units is not None
        return units
