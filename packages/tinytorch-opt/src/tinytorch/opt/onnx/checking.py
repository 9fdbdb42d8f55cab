"""What a file has to pass before it is kept, and what may be asked of it again at any time.

ONNX's own checker; strict inference of shapes; the reference evaluator of onnx, and ONNX Runtime
where it is installed, against the model itself at batches 1, 2 and 5 on inputs that the export has
not seen. Running the example once more would miss sizes that were frozen by mistake.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from onnx import ModelProto, checker, shape_inference
from onnx.reference import ReferenceEvaluator

from tinytorch.core.context import no_grad
from tinytorch.core.layers import Module
from tinytorch.core.tensor import Tensor
from tinytorch.core.training import evaluating
from tinytorch.opt.onnx.calls import ExportError
from tinytorch.opt.onnx.tracing import Traces, resized
from tinytorch.opt.onnx.writer import Array

RTOL, ATOL = 1e-4, 1e-5
BATCHES = (1, 2, 5)


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
            for name, run in evaluators:
                if run is not None:
                    compare(name, feed, expected, run(feed))


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


def reference(proto: ModelProto) -> Any:
    """A function from inputs to outputs, by the reference evaluator of onnx."""
    evaluator = ReferenceEvaluator(proto)

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
    try:
        session = onnxruntime.InferenceSession(
            proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # of a class that onnxruntime does not name in its interface
        raise ExportError(
            f"ONNX Runtime {onnxruntime.__version__} cannot run it: {error}"
        ) from error
    return lambda feed: session.run(None, feed)


def compare(name: str, feed: dict[str, Array], expected: list[Array], got: list[Any]) -> None:
    """Raise ExportError unless all outputs agree in type, shape and value."""
    sizes = {key: array.shape for key, array in feed.items()}
    for i, (want, have) in enumerate(zip(expected, got, strict=True)):
        have = np.asarray(have)
        if have.shape != want.shape or have.dtype != want.dtype:
            raise ExportError(
                f"{name}, inputs {sizes}: output {i} is {have.dtype} {have.shape}, but the model "
                f"gives {want.dtype} {want.shape}"
            )
        scale = max(1.0, float(np.abs(want[np.isfinite(want)]).max(initial=0)))
        close = np.isclose(have, want, RTOL, ATOL * scale, equal_nan=True)
        if not close.all():
            at = tuple(map(int, np.argwhere(~close)[0]))
            raise ExportError(
                f"{name}, inputs {sizes}: output {i} differs from the model's in {(~close).sum()} "
                f"of {close.size} places, first at {at}: {have[at]:.6g} instead of {want[at]:.6g}"
            )
