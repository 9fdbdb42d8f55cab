"""The guide in a bundle, `README.md`: made from `guide.md`, and one of `guide_*.md`.

Left out: the files themselves (`bundles.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from string import Template
from typing import Any

HERE = Path(__file__).parent

READS = {
    "digit": "a photograph of a digit on paper",
    "picture": "a picture",
    "keyword": "one second of sound",
    "array": "an array in a .npy file",
}
FILES = {
    "digit": "photo.jpg",
    "picture": "photo.jpg",
    "keyword": "sound.wav",
    "array": "input.npy",
}
ABOUT = {
    "model.onnx": "the model, float32",
    "model.int8.onnx": "the model with int8 weights and activations",
    "labels.json": "the answers, in the order of the scores",
    "preprocess.json": "what the model wants to be given, and when an answer counts",
    "golden.npz": "examples, and the scores that they had where this folder was made",
    "infer.py": "ask the model about a file; test this folder",
    "benchmark.py": "measure it on this machine",
    "camera.py": "ask it about what the camera sees",
    "microphone.py": "ask it about what is heard",
    "paper.py": "find a digit on paper",
    "mfcc.py": "turn sound into what a model of words reads",
    "pictures.py": "read and resize pictures",
    "prepare.py": "prepare an input, run the model, read its scores",
    "requirements.txt": "what to install",
}


def guide(
    name: str,
    kind: str,
    labels: Sequence[str],
    accuracy: Mapping[str, Any],
    estimates: Mapping[str, Mapping[int, float]],
    files: Sequence[str],
    sample: str | None,
) -> str:
    """The text of README.md.

    accuracy   "examples", and the share that each model got right, by its file
    estimates  milliseconds by board and number of threads
    sample     the name of a file to ask about, if one is in the folder
    """
    told = "Its accuracy was not measured when this folder was made."
    if accuracy:
        shares = [f"{v:.2%} by `{k}`" for k, v in accuracy.items() if k != "examples"]
        told = (
            f"Right on {accuracy['examples']:,} test examples, in ONNX Runtime, where this folder "
            f"was made: {', '.join(shares)}."
        )
    rows = ["| Board | four cores | one core |", "|---|---|---|"]
    rows += [f"| {board} | {ms[4]:.1f} ms | {ms[1]:.1f} ms |" for board, ms in estimates.items()]
    known = ", ".join(labels) if len(labels) <= 20 else f"{', '.join(labels[:20])} ..."
    section = HERE / f"guide_{kind}.md"
    ask = f"python infer.py {sample or FILES[kind]}"
    return Template((HERE / "guide.md").read_text("utf-8")).substitute(
        name=name,
        reads=READS[kind],
        count=len(labels),
        labels=known,
        accuracy=told,
        ask=ask,
        guide=section.read_text("utf-8").strip() if section.is_file() else "",
        estimates="\n".join(rows) if estimates else "(no estimate: a cost is not known)",
        files="\n".join(f"| `{f}` | {ABOUT.get(f, 'an example to ask about')} |" for f in files),
    )
