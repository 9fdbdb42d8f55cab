"""One call of a primitive, as a converter sees it: names, shapes with symbols, and the writer.

    @converter("relu")
    def relu(call: Call) -> str:
        return call.write.add("Relu", call.x[0])

A converter returns the name of its result, or a tuple of names. `call.array(i)` is the value of
operand i where it is known when the file is written, and `call.param("axis", -1)` a parameter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinytorch.opt.graph import Constant, Node, State
from tinytorch.opt.onnx.dimensions import Dim, Shape, Sizes, dim_of, shape_of
from tinytorch.opt.onnx.naming import Names, Operands
from tinytorch.opt.onnx.writer import Array


class ExportError(ValueError):
    """A model, or a part of one, that cannot be written as ONNX."""


def place_of(node: Node) -> str:
    """Where a call stands, for messages: in a layer, or in what calls the layers."""
    return f"layer {node.layer}" if node.layer else "the model's own forward"


Converter = Callable[["Call"], Any]
CONVERTERS: dict[str, Converter] = {}


def converter(*names: str) -> Callable[[Converter], Converter]:
    """Say how the primitives of these names are written; your own primitives, too."""

    def attach(definition: Converter) -> Converter:
        for name in names:
            CONVERTERS[name] = definition
        return definition

    return attach


class Call:
    """A call, in each of the traces; `x` holds the names of its operands ("" for None)."""

    def __init__(self, nodes: Sequence[Node], traces: Sequence[Sizes], names: Names) -> None:
        self.nodes = nodes
        self.node = nodes[0]
        self.traces = traces
        self.names = names
        self.write = names.write
        self.x = Operands(names, self.node.inputs, self.node.record.arrays)

    @property
    def what(self) -> str:
        """The call, for messages: "conv2d in layer body.0"."""
        return f"{self.node.name} in {place_of(self.node)}"

    def param(self, name: str, default: Any = None) -> Any:
        """A parameter, which must be the same in all traces."""
        return self.node.params.get(name, default)

    def dim(self, values: Sequence[int]) -> Dim:
        """What gives a number of this call, one value for each trace."""
        return dim_of(values, self.traces, self.what)

    def array(self, i: int) -> Array | None:
        """The value of operand i where it is a constant or a parameter, else None."""
        source = self.node.inputs[i]
        known = isinstance(source, Constant | State)
        return np.asarray(self.node.record.arrays[i]) if known else None

    def dtype(self, i: int) -> np.dtype[Any]:
        """The type of operand i."""
        return np.asarray(self.node.record.arrays[i]).dtype

    def shape(self, i: int) -> Shape:
        """The shape of operand i."""
        shapes = [np.shape(node.record.arrays[i]) for node in self.nodes]
        return shape_of(shapes, self.traces, f"{self.what}: operand {i}")

    def rank(self, i: int) -> int:
        """How many axes operand i has."""
        return np.ndim(self.node.record.arrays[i])

    def out_shape(self, i: int = 0) -> Shape:
        """The shape of output i."""
        shapes = [node.shapes[i] for node in self.nodes]
        return shape_of(shapes, self.traces, f"{self.what}: its result")

    @property
    def out_dtype(self) -> np.dtype[Any]:
        """The type of the (first) output."""
        return self.node.dtypes[0]

    def as_type(self, i: int, dtype: Any) -> str:
        """The name of operand i as `dtype`: a constant of that type, or a cast where needed."""
        value = self.array(i)
        if isinstance(self.node.inputs[i], Constant) and value is not None:
            return self.write.constant(value.astype(dtype))
        return self.x[i] if self.dtype(i) == dtype else self.write.cast(self.x[i], dtype)

    def axes(self, i: int = 0) -> list[int]:
        """The axes that a reduction of operand i goes over, counted from the front."""
        axis = self.param("axis")
        rank = self.rank(i)
        if axis is None:
            return list(range(rank))
        return [a % rank for a in (axis if isinstance(axis, tuple | list) else (axis,)) if rank]

    def refuse(self, why: str) -> ExportError:
        """The error that says what cannot be written, and where it stands."""
        return ExportError(f"{self.what} cannot be written as ONNX: {why}")
