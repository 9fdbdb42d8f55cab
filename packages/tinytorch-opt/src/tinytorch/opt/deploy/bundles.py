"""A folder that runs a model on a Raspberry Pi, and tests itself: `bundle(model, folder, ...)`.

    made = bundle(model, "my-digits", example=x, labels="0123456789", preprocess=DIGIT_ON_PAPER,
                  int8=small, test=(images, targets))
    made.self_test()

The programs in it (`scripts/`) are copied as they are; they need NumPy and ONNX Runtime, and no
TinyTorch. Left out: getting the folder to the Pi (`scp -r my-digits pi@raspberrypi.local:`).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tinytorch.core.files import AnyPath
from tinytorch.core.layers import Module
from tinytorch.core.primitive import Array
from tinytorch.core.tensor import Tensor
from tinytorch.opt.deploy.contents import (
    SCRIPTS,
    estimates,
    golden,
    manifest_of,
    measured,
    models,
    scores_of,
)
from tinytorch.opt.deploy.folders import OWN, as_json, refuse_to_replace, write_folder
from tinytorch.opt.deploy.guides import guide

KINDS = ("digit", "picture", "keyword", "array")
GOLDEN = 16  # examples
REQUIREMENTS = "onnxruntime>=1.24,<1.32\nnumpy\n"

# The thresholds were chosen on photographs made by code: see paper_report.py
DIGIT_ON_PAPER: dict[str, Any] = {
    "kind": "digit",
    "mean": [0.1307],
    "std": [0.3081],
    "reject": {"probability": 0.99, "score": 9.0},
}


@dataclass(frozen=True)
class Bundle:
    """A folder that was written, what its MANIFEST.json says, and what was kept of an older one.

    kept   the new names of files that were changed by hand: {"camera.py": "camera.py.bak"}
    """

    folder: Path
    manifest: dict[str, Any]
    kept: dict[str, str] = field(default_factory=dict)

    @property
    def reads(self) -> str:
        """The kind of its inputs: "digit", "picture", "keyword" or "array"."""
        facts = json.loads((self.folder / "preprocess.json").read_text("utf-8"))
        return str(facts["kind"])

    def self_test(self, python: str = sys.executable) -> str:
        """Run `infer.py --self-test`, and return what it says. Raises RuntimeError if it fails."""
        ran = subprocess.run(
            [python, "-I", "-B", str(self.folder / "infer.py"), "--self-test"],
            capture_output=True,
            text=True,
            check=False,
        )
        if ran.returncode:
            raise RuntimeError(f"{self.folder} fails its self-test:\n{ran.stdout}{ran.stderr}")
        return ran.stdout


def bundle(
    model: Module,
    folder: AnyPath,
    *,
    example: Any,
    labels: Sequence[str],
    preprocess: Mapping[str, Any],
    int8: Module | None = None,
    test: tuple[Any, Any] | None = None,
    sample: tuple[str, bytes] | None = None,
    raw: Array | None = None,
    name: str | None = None,
    command: str = "",
    about: str = "",
    force: bool = False,
) -> Bundle:
    """Write a bundle; return it.

    example     inputs of the model, (N, ...) float32; for `int8` too
    labels      the name of each class
    preprocess  "kind": "digit", "picture", "keyword" or "array"; "mean" and "std" of the model's
                inputs, one number a channel ("keyword": a coefficient); "reject", optional: the
                "probability" and "score" that an answer must have. See `DIGIT_ON_PAPER`
    int8        the same model as `quantize` returned it
    test        inputs and classes, by which both models are measured in ONNX Runtime; the first
                16 are the examples of the self-test
    sample      name and content of a file to ask about
    raw         a photograph or sound whose preparation the self-test repeats
    command     what made the bundle, for MANIFEST.json
    about       for the guide: what the model learned from
    force       write over files of an older bundle that were changed since, and keep those as
                NAME.bak

    The folder is written whole or not at all. In an older bundle only its own files are replaced,
    and files that were added to it stay. Raises FileExistsError, forced or not, for any other
    folder that is there (unless it is empty), and for the one you are in; ValueError for labels or
    a preprocess that do not fit; ExportError as `export` does.
    """
    target = Path(os.path.realpath(folder))
    refuse_to_replace(target, force)
    x = np.asarray(example.data if isinstance(example, Tensor) else example, np.float32)
    facts = {**preprocess, "shape": list(x.shape[1:])}
    labels = list(labels)
    golden_inputs = np.asarray(test[0], np.float32) if test is not None else x
    check_facts(facts, labels, scores_of(model, x[:1]).shape)
    contents = models(model, int8, x, labels, facts)
    contents |= {path.name: path.read_bytes() for path in sorted(SCRIPTS.glob("*.py"))}
    contents["labels.json"] = as_json(labels)
    contents["preprocess.json"] = as_json(facts)
    contents["requirements.txt"] = REQUIREMENTS.encode()
    contents["golden.npz"] = golden(model, int8, golden_inputs[:GOLDEN], facts, raw)
    if sample is not None:
        if Path(sample[0]).name != sample[0] or sample[0] in {*contents, *OWN}:
            raise ValueError(f"sample {sample[0]!r}: a name that no file of a bundle has")
        contents[sample[0]] = sample[1]
    accuracy, no_answer = measured(contents, test, facts.get("reject", {}))
    title = name or type(model).__name__
    contents["README.md"] = guide(
        title,
        facts,
        labels,
        accuracy,
        no_answer,
        estimates(model, x),
        sorted(contents),
        sample[0] if sample else None,
        about,
    ).encode()
    manifest = manifest_of(contents, accuracy, no_answer, title, command, model)
    contents["MANIFEST.json"] = as_json(manifest)
    kept = write_folder(target, contents, force)
    return Bundle(target, manifest, kept)


def check_facts(facts: Mapping[str, Any], labels: Sequence[str], scores: tuple[int, ...]) -> None:
    """Raise ValueError where labels or preparation do not fit the model."""
    if scores != (1, len(labels)):
        raise ValueError(
            f"the model gives scores of shape {scores}, and there are {len(labels)} labels"
        )
    kind, shape = facts.get("kind"), tuple(facts["shape"])
    if kind not in KINDS:
        raise ValueError(f"preprocess kind {kind!r}: one of {', '.join(KINDS)}")
    if kind == "array":
        return
    wanted = {"digit": (1, 28, 28), "keyword": (1, 49, 10)}.get(kind, shape)
    if shape != wanted or len(shape) != 3 or (kind == "picture" and shape[0] not in (1, 3)):
        raise ValueError(f"preprocess kind {kind!r} does not give inputs of shape {shape}")
    count = 10 if kind == "keyword" else shape[0]
    for key in ("mean", "std"):
        if np.shape(facts.get(key, ())) != (count,):
            raise ValueError(f"preprocess {key!r} must be {count} numbers, not {facts.get(key)}")
    if not all(value > 0 for value in facts["std"]):
        raise ValueError(f"preprocess 'std' {facts['std']}: each must be above 0")
