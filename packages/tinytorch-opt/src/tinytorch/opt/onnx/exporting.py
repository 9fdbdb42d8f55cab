"""A model of TinyTorch as an ONNX file: `export(model, example, "model.onnx")`.

The model runs a few times, with several batch sizes (`tracing.py`); each call of a primitive that
was heard is written by its converter (`converters/`); and the file is checked before it is kept
(`checking.py`). Parameters keep their names in the `state_dict`. Left out: control flow, and
training: a file holds what the model does in evaluation.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from onnx import ModelProto, ValueInfoProto, helper

from tinytorch.core.files import AnyPath, write_atomically
from tinytorch.core.layers import Module
from tinytorch.opt._version import __version__
from tinytorch.opt.folding import fold_batch_norm
from tinytorch.opt.graph import Constant, Given, Graph, Made
from tinytorch.opt.onnx import converters  # noqa: F401  (they register themselves)
from tinytorch.opt.onnx.calls import CONVERTERS, Call, ExportError, place_of
from tinytorch.opt.onnx.checking import check
from tinytorch.opt.onnx.composites import COMPOSITES, groups
from tinytorch.opt.onnx.dimensions import shape_of
from tinytorch.opt.onnx.naming import Names
from tinytorch.opt.onnx.tracing import Axes, Traces, named_inputs, traces
from tinytorch.opt.onnx.writer import Activations, Writer

LOWEST = 17  # LayerNormalization is of 17; nothing here needs more
HIGHEST = 23
IR_VERSIONS = {17: 8, 18: 8, 19: 9, 20: 9, 21: 10, 22: 10, 23: 11}


def export(
    model: Module,
    example: Any,
    path: AnyPath | None = None,
    *,
    input_names: Sequence[str] | None = None,
    output_names: Sequence[str] | None = None,
    axes: Axes | None = None,
    opset: int = LOWEST,
    activations: Activations = "uint8",
    fold: bool = True,
    metadata: Mapping[str, Any] | None = None,
    forward: Callable[..., Any] | None = None,
) -> ModelProto:
    """Write what `model` computes as ONNX, check it, and return it.

    example       an input (a tensor or an array), or a tuple of them. Their values do not matter,
                  but must be ones that the model takes: tokens below the size of a vocabulary
    path          where to write the file; None writes none
    input_names   "input", or "input_0" ...
    output_names  "output", or "output_0" ...
    axes          which sizes may change from call to call: {"input": {0: "batch"}}, which is the
                  default for every input; {} for none. {"input": {0: "batch", 1: "sequence"}}
    opset         17 needs the oldest runtimes; from 20 on GELU is one node
    activations   of quantised layers: "uint8" is what x86 multiplies fastest, "int8" what Arm does.
                  The numbers they stand for are the same
    fold          whether normalisations become part of the layer before: see `fold_batch_norm`.
                  Weights that are changed by it have other values than in the `state_dict`
    metadata      texts (others become JSON) for the file: labels, how to prepare an input
    forward       what to run instead of `model(*inputs)`, where that takes more than tensors

    Before it is kept, the file has to be well formed, and to answer as the model does in onnx's
    reference evaluator and in ONNX Runtime, at batches of 1, 2, 5 and one of up to 64: as large as
    some millions of numbers allow. Without onnxruntime there is one program less to ask, and a
    UserWarning says so, once.

    What is not seen: an `if` on the values of the inputs, of which the file holds the branch that
    was taken; and one on their sizes, beyond the sizes that were tried. Write where() instead.

    Raises ExportError, naming the primitive and the layer, for what cannot be written, and naming
    parameters that are NaN or infinite; then no file is. Raises TypeError for what is no Module.
    """
    if not isinstance(model, Module):
        raise TypeError(
            f"export: the model is a {type(model).__name__}, not a Module: give the Module, and "
            "what is to run instead of its forward as forward=..."
        )
    require_numbers(model)
    if not LOWEST <= opset <= HIGHEST:
        raise ExportError(f"opset {opset}: {LOWEST} to {HIGHEST} can be written")
    if activations not in ("uint8", "int8"):
        raise ExportError(f'activations {activations!r}: "uint8" or "int8"')
    examples = named_inputs(example, input_names)
    if axes is None:
        axes = {name: {0: "batch"} for name, array in examples.items() if array.ndim}
    require_axes(axes, examples)
    source = model
    if fold and forward is None and len(examples) == 1:
        source = fold_batch_norm(model, next(iter(examples.values())))
    runs = traces(source, examples, axes, forward)
    texts = {**(metadata or {}), "weights.sha256": digest(model)}
    proto = written(source, runs, opset, output_names, texts, activations)
    check(proto, model, runs, forward or model)
    if path is not None:
        write_atomically(path, proto.SerializeToString())
    return proto


def require_numbers(model: Module) -> None:
    """Raise ExportError for parameters that are NaN or infinite, and for buffers that are NaN."""
    state = model.state_dict()
    trained = {name for name, _ in model.named_parameters()}
    wrong = [
        name
        for name, array in state.items()
        if array.dtype.kind == "f"
        and (np.isnan(array).any() or (name in trained and np.isinf(array).any()))
    ]
    if wrong:
        listed = ", ".join(wrong[:5]) + (f" and {len(wrong) - 5} more" if len(wrong) > 5 else "")
        raise ExportError(
            f"NaN or infinity in {listed}: no answer of such a model can be compared. Did the "
            "training diverge? Load a checkpoint from before, or train with a smaller lr"
        )


def require_axes(axes: Axes, examples: Mapping[str, Any]) -> None:
    """Raise ExportError for an axis of an input that there is none of."""
    for name, named in axes.items():
        if name not in examples:
            raise ExportError(f"axes of {name!r}: the inputs are {', '.join(examples)}")
        for axis in named:
            if not 0 <= axis < examples[name].ndim:
                raise ExportError(f"axis {axis} of {name!r}: its shape is {examples[name].shape}")


def written(
    model: Module,
    runs: Traces,
    opset: int,
    output_names: Sequence[str] | None,
    metadata: Mapping[str, Any],
    activations: Activations = "uint8",
) -> ModelProto:
    """Write the graph that the runs have in common, and the model around it."""
    graph = runs.graphs[0]
    where = {
        symbol: (name, axis)
        for name, named in reversed(list(runs.axes.items()))
        for axis, symbol in named.items()
    }
    count = len(graph.results)
    if output_names is None:
        output_names = ["output"] if count == 1 else [f"output_{i}" for i in range(count)]
    if len(output_names) != count:
        raise ExportError(f"{count} outputs, but {len(output_names)} names: {output_names}")
    write = Writer(opset, where, {*runs.inputs, *output_names, *graph.state}, activations)
    names = Names(graph, write)
    names.known |= {Given(i): name for i, name in enumerate(runs.inputs)}
    calls = [Call(nodes, runs.sizes, names) for nodes in runs.calls()]
    for group in groups(graph):
        write_calls([calls[i] for i in group])

    write.scope = ""
    outputs = []
    for i, (source, name) in enumerate(zip(graph.results, output_names, strict=True)):
        if isinstance(source, Constant):
            raise ExportError(f"{name} does not come from the inputs by TinyTorch's operations")
        write.nodes.append(helper.make_node("Identity", [names.of(source, 0)], [name], name=name))
        found = [of_result(run, i, runs, n) for n, run in enumerate(runs.graphs)]
        outputs.append(value_info(name, [f[0] for f in found], found[0][1], runs))
    inputs = [
        value_info(name, [array.shape for array in arrays], arrays[0].dtype, runs)
        for name, arrays in runs.inputs.items()
    ]
    proto = helper.make_model(
        helper.make_graph(write.nodes, type(model).__name__, inputs, outputs, write.initializers),
        opset_imports=[helper.make_opsetid("", opset)],
        ir_version=IR_VERSIONS[opset],
        producer_name="tinytorch",
        producer_version=__version__,
    )
    texts = {key: v if isinstance(v, str) else json.dumps(v) for key, v in metadata.items()}
    helper.set_model_props(proto, texts)
    return proto


def write_calls(calls: Sequence[Call]) -> None:
    """Write one call, or a chain of them: together where its composite can, else one by one."""
    write = calls[0].write
    write.scope = calls[0].node.layer
    if len(calls) > 1:
        name = COMPOSITES[tuple(call.node.name for call in calls)](calls)
        if name is not None:
            calls[-1].names.known[Made(calls[-1].node.index)] = name
            return
    for call in calls:
        node = call.node
        if node.name not in CONVERTERS:
            raise ExportError(
                f"the primitive {node.name!r} in {place_of(node)} has no converter to ONNX. "
                f'Write one: @tinytorch.opt.onnx.converter("{node.name}"), a function that takes '
                "a Call and returns the name of its result"
            )
        answer = CONVERTERS[node.name](call)
        found = answer if isinstance(answer, tuple) else (answer,)
        if len(found) != len(node.shapes):
            raise ExportError(
                f"the converter of {node.name!r} gave {len(found)} names for "
                f"{len(node.shapes)} results"
            )
        call.names.known |= {Made(node.index, place): n for place, n in enumerate(found)}


def of_result(graph: Graph, i: int, runs: Traces, run: int) -> tuple[tuple[int, ...], Any]:
    """The shape and the type of result i in a run."""
    source = graph.results[i]
    if isinstance(source, Made):
        node = graph.nodes[source.node]
        return node.shapes[source.place], node.dtypes[source.place]
    if isinstance(source, Given):
        array = list(runs.inputs.values())[source.place][run]
    else:
        array = graph.value(source)
    return array.shape, array.dtype


def value_info(
    name: str, shapes: Sequence[tuple[int, ...]], dtype: Any, runs: Traces
) -> ValueInfoProto:
    """What the file says of an input or an output: its type, its sizes, and names of sizes."""
    shape = shape_of(shapes, runs.sizes, name)
    sizes = [str(dim) if dim.constant is None else dim.constant for dim in shape]
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(dtype), sizes)


def digest(model: Module) -> str:
    """The SHA-256 of all parameters and buffers, in the order of their names."""
    found = hashlib.sha256()
    for name, array in sorted(model.state_dict().items()):
        found.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()
