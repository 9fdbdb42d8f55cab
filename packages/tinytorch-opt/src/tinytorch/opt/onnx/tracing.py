"""The traces an export is made from: one for the example's sizes, and more for other sizes.

Sizes that the model should take as they come (the batch, say) have a name. The model runs with two
of each, three for one after the other, and all of them larger at once; what differs between the
runs depends on these sizes, and a run that calls other operations is refused. Inputs are filled
with other values in each run, so that a number which the model's Python computed from them (and
which would be written down as a constant) is noticed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinytorch.core.layers import Module
from tinytorch.core.tensor import Tensor
from tinytorch.opt.graph import Constant, Graph, Node, trace
from tinytorch.opt.onnx.calls import ExportError, place_of
from tinytorch.opt.onnx.writer import Array

Axes = Mapping[str, Mapping[int, str]]  # {"input": {0: "batch", 1: "sequence"}}


@dataclass(frozen=True)
class Traces:
    """Runs of one model: inputs by name, the sizes of each run, and its graph."""

    inputs: dict[str, tuple[Array, ...]]
    sizes: list[dict[str, int]]
    graphs: list[Graph]
    axes: Axes

    def calls(self) -> list[tuple[Node, ...]]:
        """Each call, as it was in all traces."""
        return list(zip(*[graph.nodes for graph in self.graphs], strict=True))


def traces(model: Module, examples: Mapping[str, Array], axes: Axes, forward: Any = None) -> Traces:
    """Run the model as often as needed to tell sizes from constants.

    Raises ExportError where it does not do the same each time.
    """
    sizes = sizes_to_try(examples, axes)
    inputs = {
        name: tuple(
            resized(example, {a: s[symbol] for a, symbol in axes.get(name, {}).items()}, run)
            for run, s in enumerate(sizes)
        )
        for name, example in examples.items()
    }
    graphs = []
    for run in range(len(sizes)):
        try:
            given = [Tensor(arrays[run], arrays[run].dtype) for arrays in inputs.values()]
            graphs.append(trace(model, *given, forward=forward))
        except Exception as error:
            if run == 0:
                raise
            raise ExportError(
                f"the model cannot take inputs with {sizes[run]}: {error}\nIf it is made for one "
                "size only, say so with axes={} (and give an example of that size)"
            ) from error
    for run, graph in enumerate(graphs[1:], 1):
        require_alike(graphs[0], graph, sizes[0], sizes[run])
    return Traces(inputs, sizes, graphs, axes)


def sizes_to_try(examples: Mapping[str, Array], axes: Axes) -> list[dict[str, int]]:
    """Two of a batch; of other sizes the example's. Then each one larger, and all."""
    base: dict[str, int] = {}
    for name, named in axes.items():
        for axis, symbol in named.items():
            size = np.shape(examples[name])[axis]
            base.setdefault(symbol, 2 if symbol == "batch" else max(size, 2))
    each = [{**base, symbol: size + 1} for symbol, size in base.items()]
    if not base:
        return [base, base]  # twice, for what is random
    return [base, *each, {symbol: size + 2 + i for i, (symbol, size) in enumerate(base.items())}]


def resized(example: Array, sizes: Mapping[int, int], run: int) -> Array:
    """An example with other sizes along some axes: repeated, and other values in each run."""
    array = np.asarray(example)
    for axis, size in sizes.items():
        array = np.take(array, np.arange(size) % array.shape[axis], axis)
    if array.dtype.kind == "f":
        return np.asarray(array * array.dtype.type(1 - run / 16))
    return np.roll(array, run)


def require_alike(first: Graph, other: Graph, sizes: Any, others: Any) -> None:
    """Raise ExportError unless two runs called the same operations on the same things."""
    where = f"with {sizes} and with {others}" if sizes else "in two runs"
    names = [[node.name for node in graph.nodes] for graph in (first, other)]
    if names[0] != names[1]:
        at = next(
            (i for i, pair in enumerate(zip(*names, strict=False)) if pair[0] != pair[1]),
            min(map(len, names)),
        )
        raise ExportError(
            f"the model calls other operations {where}: after call {at} they differ, "
            f"{names[0][at : at + 3]} and {names[1][at : at + 3]}. An `if` or a loop in forward "
            "that depends on the inputs or their sizes cannot be written down; where() can"
        )
    for one, two in zip(first.nodes, other.nodes, strict=True):
        for i, (a, b) in enumerate(zip(one.inputs, two.inputs, strict=True)):
            if isinstance(a, Constant) and isinstance(b, Constant):
                same(one, i, where)(one.record.arrays[i], two.record.arrays[i])
            elif a != b:
                raise ExportError(
                    f"{one.name} in {place_of(one)}: operand {i} is {a} and {b} {where}"
                )


def same(node: Node, i: int, where: str) -> Any:
    """A comparison of two constants that raises ExportError where they differ."""

    def compare(a: Any, b: Any) -> None:
        if a is None and b is None:
            return
        if not np.array_equal(a, b, equal_nan=np.asarray(a).dtype.kind == "f"):
            raise ExportError(
                f"{node.name} in {place_of(node)}: operand {i}, of shape {np.shape(a)}, was "
                f"made in forward, and differs {where}: it is random, or computed outside of "
                "TinyTorch's operations from the inputs or their sizes"
            )

    return compare


def named_inputs(example: Any, names: Sequence[str] | None) -> dict[str, Array]:
    """The examples by name: "input" for one, "input_0" ... for several, unless names are given."""
    several = list(example) if isinstance(example, tuple | list) else [example]
    arrays = [np.asarray(x.data if isinstance(x, Tensor) else Tensor(x).data) for x in several]
    if names is None:
        names = ["input"] if len(arrays) == 1 else [f"input_{i}" for i in range(len(arrays))]
    if len(names) != len(arrays):
        raise ExportError(f"{len(arrays)} inputs, but {len(names)} names: {', '.join(names)}")
    return dict(zip(names, arrays, strict=True))
