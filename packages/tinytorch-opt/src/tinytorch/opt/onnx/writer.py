"""What a graph is written into: nodes, initializers, and the sizes that only a run knows.

Names of values are strings. Left out: which nodes stand for which primitive (`converters/`), and
the model around the graph (`exporting.py`).
"""

from __future__ import annotations

import functools
from typing import Any, Literal

import numpy as np
from onnx import NodeProto, TensorProto, helper, numpy_helper

from tinytorch.opt.onnx.dimensions import Dim, Shape

Array = np.ndarray[Any, np.dtype[Any]]
Activations = Literal["uint8", "int8"]


class Writer:
    """Collects a graph for one opset.

    where        the input, and its axis, that a symbol is the size of
    taken        names that values may not have: those of inputs, outputs, parameters
    activations  the type in which quantised layers hand on their inputs
    """

    def __init__(
        self,
        opset: int,
        where: dict[str, tuple[str, int]],
        taken: set[str],
        activations: Activations = "uint8",
    ) -> None:
        self.taken = taken
        self.opset = opset
        self.activations = activations
        self.where = where
        self.nodes: list[NodeProto] = []
        self.initializers: list[TensorProto] = []
        self.scope = ""  # the layer whose calls are being written: names begin with it
        self._names: dict[str, int] = {}
        self._constants: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self._sizes: dict[Dim, str] = {}
        self._symbols: dict[str, str] = {}

    def name(self, word: str) -> str:
        """A name that no value has yet, which begins with the layer."""
        base = f"{self.scope}/{word}" if self.scope else word
        while True:
            count = self._names[base] = self._names.get(base, -1) + 1
            name = f"{base}_{count}" if count else base
            if name not in self.taken:
                return name

    def add(self, op: str, *inputs: str, outputs: int = 1, **attributes: Any) -> Any:
        """Write a node; return the name of its output, or a tuple of them.

        An input "" stands for one that is left out; attributes that are None are left out.
        """
        given = {key: value for key, value in attributes.items() if value is not None}
        name = self.name(op)
        names = [name] if outputs == 1 else [f"{name}.{i}" for i in range(outputs)]
        self.nodes.append(helper.make_node(op, list(inputs), names, name=name, **given))
        return names[0] if outputs == 1 else tuple(names)

    def constant(self, value: Any, dtype: Any = None) -> str:
        """An array as a node of its own; equal ones are written once.

        Initializers are the model's parameters and buffers, and nothing else.
        """
        array = np.ascontiguousarray(value, dtype).reshape(np.shape(value))
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._constants:
            scope, self.scope = self.scope, ""
            self._constants[key] = self.add("Constant", value=numpy_helper.from_array(array))
            self.scope = scope
        return self._constants[key]

    def integers(self, values: Any) -> str:
        """Numbers as a vector of int64, which is what axes, pads and shapes are."""
        return self.constant(np.atleast_1d(np.asarray(values, np.int64)))

    # Sizes
    def size(self, dim: Dim) -> str:
        """A size as a vector of one int64: a constant, or computed from the inputs' shapes."""
        if dim.constant is not None:
            return self.integers(dim.constant)
        if dim not in self._sizes:
            scope, self.scope = self.scope, "sizes"
            parts = [self._product(symbols, factor) for symbols, factor in dim.terms]
            parts += [self.integers(dim.offset)] if dim.offset else []
            self._sizes[dim] = functools.reduce(lambda a, b: self.add("Add", a, b), parts)
            self.scope = scope
        return self._sizes[dim]

    def _product(self, symbols: tuple[str, ...], factor: int) -> str:
        factors = [self._symbol(symbol) for symbol in symbols]
        factors += [self.integers(factor)] if factor != 1 else []
        return functools.reduce(lambda a, b: self.add("Mul", a, b), factors)

    def _symbol(self, symbol: str) -> str:
        if symbol not in self._symbols:
            source, axis = self.where[symbol]
            self._symbols[symbol] = self.add("Shape", source, start=axis, end=axis + 1)
        return self._symbols[symbol]

    def shape(self, shape: Shape) -> str:
        """A shape as a vector of int64."""
        known = [dim.constant for dim in shape]
        if None not in known:
            return self.constant(np.asarray(known, np.int64))
        return self.add("Concat", *[self.size(dim) for dim in shape], axis=0)

    def scalar(self, dim: Dim) -> str:
        """A size as an int64 without axes."""
        if dim.constant is not None:
            return self.constant(np.int64(dim.constant))
        return self.add("Squeeze", self.size(dim), self.integers(0))

    def reshape(self, x: str, before: Shape, after: Shape) -> str:
        """Write a reshape in its simplest form: -1 for one unknown size, 0 for one that stays."""
        unknown = [dim for dim in after if dim.constant is None]
        if any(dim.constant == 0 for dim in after):  # here a 0 is a size
            return str(self.add("Reshape", x, self.shape(after), allowzero=1))
        target: list[int] = []
        for i, dim in enumerate(after):
            if dim.constant is not None:
                target.append(dim.constant)
            elif len(unknown) > 1 and i < len(before) and before[i] == dim:
                target.append(0)  # the size of this axis of x
            else:
                target.append(-1)
        if target.count(-1) > 1:
            return str(self.add("Reshape", x, self.shape(after)))
        return str(self.add("Reshape", x, self.integers(target)))

    def cast(self, x: str, dtype: Any) -> str:
        """Write a cast."""
        return str(self.add("Cast", x, to=helper.np_dtype_to_tensor_dtype(np.dtype(dtype))))
