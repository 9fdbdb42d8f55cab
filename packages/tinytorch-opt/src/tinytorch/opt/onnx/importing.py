"""A plain ONNX file as a model of TinyTorch: `model = import_("model.onnx")`.

Each node becomes calls of TinyTorch's operations (`imported.py`), so the model has gradients, can
be profiled, quantised and exported again. Floating-point weights are its parameters, under the
names they have in the file. Left out: what is no plain graph, which is refused by name: control
flow, functions of the file's own, operations of other domains, weights in other files.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, checker, helper, numpy_helper

from tinytorch.core.files import AnyPath
from tinytorch.core.layers import Module
from tinytorch.core.tensor import Tensor
from tinytorch.opt.onnx.imported import OPERATIONS

PLAIN = ("", "ai.onnx")


class Imported(Module):
    """The model of a file: `model(x)` runs its nodes, one after the other.

    inputs, outputs  their names, in order; several outputs come as a tuple
    """

    def __init__(self, proto: ModelProto) -> None:
        graph = proto.graph
        self._tensors: dict[str, Tensor] = {}
        self._fixed: dict[str, Tensor] = {}
        for initializer in graph.initializer:
            array = numpy_helper.to_array(initializer)
            trained = array.dtype == np.float32
            tensor = Tensor(array, array.dtype, requires_grad=trained)
            (self._tensors if trained else self._fixed)[initializer.name] = tensor
        known = {*self._tensors, *self._fixed}
        self._nodes = list(graph.node)
        self.inputs = [value.name for value in graph.input if value.name not in known]
        self.outputs = [value.name for value in graph.output]
        self._last_use = last_uses(self._nodes, self.outputs)

    def own_tensors(self) -> dict[str, Tensor]:
        """The weights, by their names in the file."""
        return dict(self._tensors)

    def forward(self, *inputs: Any) -> Any:
        """Run the nodes. Raises TypeError for another number of inputs than the file has."""
        if len(inputs) != len(self.inputs):
            raise TypeError(
                f"{len(inputs)} inputs, but the file has {len(self.inputs)}: "
                f"{', '.join(self.inputs)}"
            )
        values: dict[str, Any] = {**self._tensors, **self._fixed}
        for name, x in zip(self.inputs, inputs, strict=True):
            values[name] = x if isinstance(x, Tensor) else Tensor(x)
        for i, node in enumerate(self._nodes):
            operands = [values[name] if name else None for name in node.input]
            attributes = {a.name: plain(helper.get_attribute_value(a)) for a in node.attribute}
            answer = OPERATIONS[node.op_type](operands, attributes)
            answers = answer if isinstance(answer, tuple) else (answer,)
            values.update(zip(node.output, answers, strict=False))  # optional ones come last
            for name in self._last_use.get(i, ()):
                values.pop(name, None)
        found = tuple(values[name] for name in self.outputs)
        return found[0] if len(found) == 1 else found

    def describe(self) -> str:
        return f"{', '.join(self.inputs)} -> {', '.join(self.outputs)}, {len(self._nodes)} nodes"


def import_(source: AnyPath | ModelProto) -> Imported:
    """Read a file (or a model in memory) as a model of TinyTorch.

    Raises ValueError, naming what, for a file that is no ONNX, is not well formed, or holds what
    there is no operation for here; FileNotFoundError where there is none.
    """
    if isinstance(source, ModelProto):
        proto = source
    else:
        try:
            proto = onnx.load_model_from_string(Path(source).read_bytes())
        except OSError:
            raise
        except Exception as error:
            raise ValueError(f"{source} is no ONNX file: {error}") from error
    require_plain(proto)
    try:
        checker.check_model(proto, full_check=True)
    except Exception as error:
        raise ValueError(f"the file is not well formed: {error}") from error
    return Imported(proto)


def require_plain(proto: ModelProto) -> None:
    """Raise ValueError for what a plain graph does not have."""
    if any(t.data_location == onnx.TensorProto.EXTERNAL for t in proto.graph.initializer):
        raise ValueError("its weights are in another file: save it as one")
    if proto.functions or proto.graph.sparse_initializer:
        raise ValueError("it has functions of its own, or sparse weights")
    for node in proto.graph.node:
        if node.domain not in PLAIN or node.op_type not in OPERATIONS:
            domain = f"{node.domain}." if node.domain not in PLAIN else ""
            raise ValueError(
                f"node {node.name!r} is {domain}{node.op_type}, which is no operation here"
            )


def last_uses(nodes: list[NodeProto], outputs: list[str]) -> dict[int, list[str]]:
    """Which values nobody reads after node i, so that their memory can be let go."""
    last = {name: i for i, node in enumerate(nodes) for name in node.input if name}
    uses: dict[int, list[str]] = {}
    for name, i in last.items():
        if name not in outputs:
            uses.setdefault(i, []).append(name)
    return uses


def plain(value: Any) -> Any:
    """An attribute as Python has it: text, numbers, lists, or an array."""
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, onnx.TensorProto):
        return numpy_helper.to_array(value)
    return list(value) if hasattr(value, "__len__") and not isinstance(value, str) else value
