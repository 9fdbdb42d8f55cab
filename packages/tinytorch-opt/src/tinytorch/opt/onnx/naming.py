"""Which name a value has in the file: inputs, parameters under their own, results, constants.

A parameter is written when somebody asks for its name, so that none is in the file which no node
reads. Left out: how names of new values are made up (`writer.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, overload

import numpy as np
from onnx import TensorProto, numpy_helper

from tinytorch.opt.graph import Constant, Graph, Source, State
from tinytorch.opt.onnx.writer import Array, Writer


class Names:
    """The names that values have by now, and the parameters that were asked for."""

    def __init__(self, graph: Graph, write: Writer) -> None:
        self.graph = graph
        self.write = write
        self.known: dict[Source, str] = {}

    def of(self, source: Source, array: Any) -> str:
        """The name of an operand that has this value: "" for None."""
        if array is None:
            return ""
        if isinstance(source, Constant):
            return self.write.constant(array)
        if isinstance(source, State) and source not in self.known:
            kept = self.graph.state[source.name].data
            tensor = np.ascontiguousarray(kept).reshape(kept.shape)  # which made () a (1,)
            self.keep(source, numpy_helper.from_array(tensor, source.name))
        return self.known[source]

    def keep(self, source: State, tensor: TensorProto) -> None:
        """Write a parameter, in whichever type the file has for it."""
        self.known[source] = source.name
        self.write.initializers.append(tensor)

    def state(self, name: str) -> Array | None:
        """The parameter or buffer of this name in the `state_dict`, None where there is none."""
        return self.graph.state[name].data if name in self.graph.state else None


class Operands(Sequence[str]):
    """The names of a call's operands, each looked up when it is read."""

    def __init__(self, names: Names, sources: Sequence[Source], arrays: Sequence[Any]) -> None:
        self.names = names
        self.pairs = list(zip(sources, arrays, strict=True))

    @overload
    def __getitem__(self, i: int) -> str: ...
    @overload
    def __getitem__(self, i: slice) -> list[str]: ...
    def __getitem__(self, i: int | slice) -> str | list[str]:
        if isinstance(i, slice):
            return [self.names.of(*pair) for pair in self.pairs[i]]
        return self.names.of(*self.pairs[i])

    def __len__(self) -> int:
        return len(self.pairs)
