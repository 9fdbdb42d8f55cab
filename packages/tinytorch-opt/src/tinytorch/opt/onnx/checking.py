"""What a file has to pass before it is kept, and what may be asked of it again at any time.

ONNX's own checker; strict inference of shapes; the reference evaluator of onnx, and ONNX Runtime
where it is installed, against the model itself at batches 1, 2 and 5 on inputs that the export has
not seen. Running the example once more would miss sizes that were frozen by mistake.
"""

from __future__ import annotations

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
from tinytorch.opt.onnx.calls import ExportError
from tinytorch.opt.onnx.rounding import room_for_steps
from tinytorch.opt.onnx.tracing import Traces, resized
from tinytorch.opt.onnx.writer import Array

RTOL, ATOL = 1e-4, 1e-5
BATCHES = (1, 2, 5)
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
    evaluators = [("onnx.reference", reference(proto)), ("onnxruntime", runtime(proto))]
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # log(0) is -inf for all of them
        for feed in fresh_inputs(runs):
            expected = answers(model, forward, feed)
            room = room_for_steps(model, forward, feed)
            for name, run in evaluators:
                if run is not None:
                    compare(name, feed, expected, run(feed), room)


def fresh_inputs(runs: Traces) -> list[dict[str, Array]]:
    """Inputs of several sizes with values that no trace had: the examples', mixed."""
    rng = np.random.default_rng(0)
    symbols = list(runs.sizes[0])
    feeds = []
    for turn, batch in enumerate(BATCHES if symbols else (1,)):
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
    sizes = {key: array.shape for key, array in feed.items()}
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
