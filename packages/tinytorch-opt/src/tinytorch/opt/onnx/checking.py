"""What a file has to pass before it is kept, and what may be asked of it again at any time.

ONNX's own checker; strict inference of shapes; the reference evaluator of onnx, and ONNX Runtime
where it is installed, against the model itself at batches 1, 2 and 5 on inputs that the export has
not seen. Running the example once more would miss sizes that were frozen by mistake. One batch more
is much larger, for a forward that does something else from some size on; as the reference evaluator
is slow, only the faster of the two is asked about that one.

Not seen: a branch on values, and one beyond the sizes that are tried.
"""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from onnx import ModelProto, checker, shape_inference
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun

from tinytorch.core.context import no_grad
from tinytorch.core.layers import Module
from tinytorch.core.tensor import Tensor
from tinytorch.core.training import evaluating
from tinytorch.opt.graph import trace
from tinytorch.opt.onnx.calls import ExportError
from tinytorch.opt.onnx.rounding import room_for_steps
from tinytorch.opt.onnx.tracing import Traces, require_alike, resized
from tinytorch.opt.onnx.writer import Array

RTOL, ATOL = 1e-4, 1e-5
BATCHES = (1, 2, 5)
LARGEST = 64  # batch that is tried, where the results of all calls are together
MOST_NUMBERS = 2**24  # at most: 64 MiB
# Unless told so, ONNX Runtime rounds what is multiplied with weights of four bits to eight, which
# moves answers by a percent. Here it is asked whether the file is right, so it is told.
FLOATS_TIMES_FOUR_BITS = "session.qdq_matmulnbits_accuracy_level", "1"


def check(proto: ModelProto, model: Module, runs: Traces, forward: Callable[..., Any]) -> None:
    """Raise ExportError unless the file is well formed and computes what the model does."""
    try:
        checker.check_model(proto, full_check=True)
        shape_inference.infer_shapes(proto, strict_mode=True, data_prop=True)
    except (checker.ValidationError, shape_inference.InferenceError) as error:
        raise ExportError(f"the file is not well formed: {error}") from error
    evaluators = [("onnx.reference", reference(proto))]
    if (faster := runtime(proto)) is None:
        tell_of_one_program()
    else:
        evaluators.append(("onnxruntime", faster))
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # log(0) is -inf for all of them
        for turn, feed in enumerate(fresh_inputs(runs)):
            try:
                expected = answers(model, forward, feed)
                room = room_for_steps(model, forward, feed)
            except Exception as error:
                if not runs.sizes[0]:  # of one size only
                    raise
                raise ExportError(
                    f"the model cannot take inputs {shapes_of(feed)}: {error}\nIf it is made for "
                    "one size only, say so with axes={} (and give an example of that size)"
                ) from error
            for name, run in evaluators if turn < len(BATCHES) else evaluators[-1:]:
                try:
                    compare(name, feed, expected, run(feed), room)
                except ExportError as error:
                    raise ExportError(f"{error}{cause(model, forward, runs, feed)}") from error


@functools.cache
def tell_of_one_program() -> None:
    """Warn, once in a program, that ONNX Runtime is not there to be asked."""
    warnings.warn(
        "onnxruntime is not installed: exported files are compared with the model by onnx's "
        'reference evaluator alone. python -m pip install "tinytorch-opt[onnx]"',
        UserWarning,
        stacklevel=4,  # who called export
    )


def cause(model: Module, forward: Callable[..., Any], runs: Traces, feed: dict[str, Array]) -> str:
    """Why answers may differ: whether the model computes something else on the example's sizes."""
    first = {name: arrays[0] for name, arrays in runs.inputs.items()}
    graphs = [
        trace(model, *[Tensor(x, x.dtype) for x in inputs.values()], forward=forward)
        for inputs in (first, feed)
    ]
    try:
        require_alike(graphs[0], graphs[1], shapes_of(first), shapes_of(feed))
    except ExportError as why:
        return f"\nThe cause: {why}. If the model is made for one size only: axes={{}}"
    return ""


def shapes_of(feed: dict[str, Array]) -> dict[str, tuple[int, ...]]:
    """The shapes of inputs, by name."""
    return {name: array.shape for name, array in feed.items()}


def batches(runs: Traces) -> tuple[int, ...]:
    """The batches to try: the small ones, and a large one that the numbers of a run allow."""
    if "batch" not in runs.sizes[0]:
        return BATCHES
    shapes = [shape for node in runs.graphs[0].nodes for shape in node.shapes]
    numbers = sum(map(math.prod, shapes)) // runs.sizes[0]["batch"]  # of one example
    large = min(LARGEST, MOST_NUMBERS // max(1, numbers))
    return (*BATCHES, large) if large > max(BATCHES) else BATCHES


def fresh_inputs(runs: Traces) -> list[dict[str, Array]]:
    """Inputs of several sizes with values that no trace had: the examples', mixed."""
    rng = np.random.default_rng(0)
    symbols = list(runs.sizes[0])
    feeds = []
    for turn, batch in enumerate(batches(runs) if symbols else (1,)):
        sizes = {s: batch if s == "batch" else max(1, runs.sizes[0][s] - turn) for s in symbols}
        feed = {}
        for name, arrays in runs.inputs.items():
            array = resized(arrays[0], {a: sizes[s] for a, s in runs.axes.get(name, {}).items()}, 0)
            mixed = rng.permutation(array.reshape(-1)).reshape(array.shape)
            if array.dtype.kind == "f":
                mixed = (mixed * rng.uniform(0.5, 1, array.shape)).astype(array.dtype)
            feed[name] = np.asarray(mixed)
        feeds.append(feed)
    return feeds


def answers(model: Module, forward: Callable[..., Any], feed: dict[str, Array]) -> list[Array]:
    """What the model itself says, when `forward` runs it."""
    with no_grad(), evaluating(model):
        found = forward(*[Tensor(array, array.dtype) for array in feed.values()])
    return [x.data for x in (found if isinstance(found, tuple | list) else (found,))]


class DequantizeLinear(OpRun):
    """That of opset 13 (ours use one scale, or one a channel): onnx's evaluator begins at 19."""

    op_domain = ""

    def _run(self, q: Array, scale: Array, zero: Any = None, axis: int = 1, **_: Any) -> Any:
        column = [-1 if i == axis % q.ndim else 1 for i in range(q.ndim)]
        zero, scale = (y if np.ndim(y) != 1 else y.reshape(column) for y in (zero, scale))
        return ((q if zero is None else q.astype(np.int32) - zero).astype(np.float32) * scale,)


def reference(proto: ModelProto) -> Any:
    """A function from inputs to outputs, by the reference evaluator of onnx."""
    old = proto.opset_import[0].version < 19
    evaluator = ReferenceEvaluator(proto, new_ops=[DequantizeLinear] if old else None)

    def run(feed: dict[str, Array]) -> Any:
        try:
            return evaluator.run(None, feed)
        except Exception as error:
            raise ExportError(f"onnx.reference cannot run it: {error}") from error

    return run


def runtime(proto: ModelProto) -> Any:
    """The same by ONNX Runtime, or None where it is not installed."""
    try:
        import onnxruntime
    except ImportError:
        return None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3  # errors only
    options.add_session_config_entry(*FLOATS_TIMES_FOUR_BITS)
    try:
        session = onnxruntime.InferenceSession(
            proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # of a class that onnxruntime does not name in its interface
        raise ExportError(
            f"ONNX Runtime {onnxruntime.__version__} cannot run it: {error}"
        ) from error
    return lambda feed: session.run(None, feed)


def compare(
    name: str,
    feed: dict[str, Array],
    expected: list[Array],
    got: list[Any],
    room: Sequence[float],
) -> None:
    """Raise ExportError unless all outputs agree in type, shape and value.

    room  what each output may differ by besides, because integers may be one step off: see
          `room_for_steps`. The most likely class is then the same wherever it leads by twice that
    """
    sizes = shapes_of(feed)
    for i, (want, have, steps) in enumerate(zip(expected, got, room, strict=True)):
        have = np.asarray(have)
        if have.shape != want.shape or have.dtype != want.dtype:
            raise ExportError(
                f"{name}, inputs {sizes}: output {i} is {have.dtype} {have.shape}, but the model "
                f"gives {want.dtype} {want.shape}"
            )
        scale = max(1.0, float(np.abs(want[np.isfinite(want)]).max(initial=0)))
        close = np.isclose(have, want, RTOL, ATOL * scale + steps, equal_nan=True)
        if not close.all():
            at = tuple(map(int, np.argwhere(~close)[0]))
            raise ExportError(
                f"{name}, inputs {sizes}: output {i} differs from the model's in {(~close).sum()} "
                f"of {close.size} places, first at {at}: {have[at]:.6g} instead of {want[at]:.6g}"
                + (f", and rounding accounts for {steps:.3g}" if steps else "")
            )
