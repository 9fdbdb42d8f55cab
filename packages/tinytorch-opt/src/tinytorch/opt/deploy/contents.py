"""What the files of a bundle hold: models, examples with their scores, what was measured.

Left out: the guide (`guides.py`), the programs (`scripts/`), and the folder (`folders.py`).
"""

from __future__ import annotations

import hashlib
import io
import json
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tinytorch import __version__ as core_version
from tinytorch.core.context import no_grad
from tinytorch.core.layers import Module
from tinytorch.core.primitive import Array
from tinytorch.core.tensor import Tensor
from tinytorch.core.training import evaluating
from tinytorch.opt._version import __version__
from tinytorch.opt.deploy.estimating import BOARDS, estimate
from tinytorch.opt.deploy.folders import FORMAT, sha256_of

SCRIPTS = Path(__file__).with_name("scripts")


def scores_of(model: Module, x: Array) -> Array:
    """What the model itself says, float32."""
    with no_grad(), evaluating(model):
        return np.asarray(model(Tensor(x)).data, np.float32)


def models(
    model: Module, int8: Module | None, x: Array, labels: Sequence[str], facts: Mapping[str, Any]
) -> dict[str, bytes]:
    """The files of the models. Those of int8 hand on int8, which Arm multiplies fastest."""
    from tinytorch.opt.onnx import export  # needs the extra [onnx]

    name = type(model).__name__
    metadata = {"model": name, "labels": list(labels), "preprocess": dict(facts)}
    out = {"model.onnx": export(model, x, metadata=metadata).SerializeToString()}
    if int8 is not None:
        small = export(int8, x, metadata=metadata, activations="int8")
        out["model.int8.onnx"] = small.SerializeToString()
    return out


def golden(
    model: Module, int8: Module | None, x: Array, facts: Mapping[str, Any], raw: Array | None
) -> bytes:
    """Examples and the scores that TinyTorch itself gives them, as .npz."""
    arrays = {"input": x, "output": scores_of(model, x)}
    if int8 is not None:
        arrays["output_int8"] = scores_of(int8, x)
    if raw is not None:
        arrays |= {"raw": raw, "prepared": prepared(raw, facts)}
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)  # type: ignore[arg-type]  # names, not `allow_pickle`
    return file.getvalue()


def prepared(raw: Array, facts: Mapping[str, Any]) -> Array:
    """What the bundle's own programs make of a photograph or sound, by running them."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import io, json, numpy as np, prepare\n"
        "model = object.__new__(prepare.Model); model.facts = json.loads(sys.argv[2])\n"
        "model.shape = tuple(model.facts['shape'])\n"
        "data, out = np.load(io.BytesIO(sys.stdin.buffer.read())), io.BytesIO()\n"
        "np.save(out, model.prepare(data)); sys.stdout.buffer.write(out.getvalue())"
    )
    file = io.BytesIO()
    np.save(file, raw)
    ran = subprocess.run(
        [sys.executable, "-I", "-c", code, str(SCRIPTS), json.dumps(dict(facts))],
        input=file.getvalue(),
        capture_output=True,
        check=False,
    )
    if ran.returncode:
        raise ValueError(f"raw cannot be prepared: {ran.stderr.decode().strip().splitlines()[-1]}")
    return np.asarray(np.load(io.BytesIO(ran.stdout)))


def measured(
    contents: Mapping[str, bytes], test: tuple[Any, Any] | None, reject: Mapping[str, float]
) -> tuple[dict[str, Any], dict[str, float]]:
    """What each model does with the test examples in ONNX Runtime: two shares by its file.

    That which it gets right, with the number of "examples"; and that to which it gives no answer,
    where `reject` says what "probability" and "score" an answer must have.
    """
    if test is None:
        return {}, {}
    import onnxruntime

    x, y = np.asarray(test[0], np.float32), np.asarray(test[1])
    found: dict[str, Any] = {"examples": len(x)}
    silent: dict[str, float] = {}
    for name in ("model.onnx", "model.int8.onnx"):
        if name in contents:
            session = onnxruntime.InferenceSession(
                contents[name], providers=["CPUExecutionProvider"]
            )
            parts = [x[i : i + 250] for i in range(0, len(x), 250)]
            scores = np.concatenate([session.run(None, {"input": part})[0] for part in parts])
            found[name] = float(np.mean(scores.argmax(axis=1) == y))
            if reject:
                silent[name] = float(np.mean(unclear(scores, reject)))
    return found, silent


def unclear(scores: Array, reject: Mapping[str, float]) -> Array:
    """Which rows of scores (N, classes) the bundle's programs call not sure enough: (N,) bool."""
    best = scores.max(axis=1, keepdims=True).astype(np.float64)  # (N, 1)
    share = 1 / np.exp(scores - best).sum(axis=1)  # of the best: softmax
    low = best[:, 0] < reject.get("score", -np.inf)
    return np.asarray((share < reject.get("probability", 0)) | low)


def estimates(model: Module, x: Array) -> dict[str, dict[int, float]]:
    """Milliseconds by board and number of threads, estimated; none where a cost is not known."""
    try:
        return {
            board.name: {n: estimate(model, x, key, threads=n).seconds * 1e3 for n in (4, 1)}
            for key, board in BOARDS.items()
        }
    except ValueError:
        return {}


def manifest_of(
    contents: Mapping[str, bytes],
    accuracy: Mapping[str, Any],
    no_answer: Mapping[str, float],
    title: str,
    command: str,
    model: Module,
) -> dict[str, Any]:
    """What MANIFEST.json holds."""
    import onnx
    import onnxruntime

    opsets = {
        name: onnx.load_from_string(content).opset_import[0].version
        for name, content in contents.items()
        if name.endswith(".onnx")
    }
    found = {
        "format": FORMAT,
        "name": title,
        "command": command,
        "parameters": model.num_parameters(),
        "accuracy": dict(accuracy),
        "no_answer": dict(no_answer),
        "opset": opsets,
        "versions": {
            "tinytorch-core": core_version,
            "tinytorch-opt": __version__,
            "onnx": onnx.__version__,
            "onnxruntime": onnxruntime.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
        "files": {
            name: {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            for name, content in sorted(contents.items())
        },
    }
    return found | {"sha256": sha256_of(found)}
