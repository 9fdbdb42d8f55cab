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
FILES = {  # to ask about, where the folder has none
    "digit": ("photo.jpg", "a photograph of yours"),
    "picture": ("photo.jpg", "a picture of yours"),
    "keyword": ("sound.wav", "a recording of yours: 16,000 Hz, 16 bits"),
    "array": ("input.npy", "an array of yours, float32"),
}
PILLOW = (
    "PGM and PPM are read as they are; PNG and JPEG need Pillow besides: "
    "`python -m pip install pillow`."
)
SMALLER = (
    " For a model as small as this int8 may well be slower: what each call costs by itself is then "
    "most of the time."
)
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
    facts: Mapping[str, Any],
    labels: Sequence[str],
    accuracy: Mapping[str, Any],
    no_answer: Mapping[str, float],
    estimates: Mapping[str, Mapping[int, float]],
    files: Sequence[str],
    sample: str | None,
    about: str = "",
) -> str:
    """The text of README.md.

    facts      what preprocess.json holds
    accuracy   "examples", and the share that each model got right, by its file
    no_answer  the share of these that a model gave no answer to, because scores were not clear
    estimates  milliseconds by board and number of threads
    sample     the name of a file to ask about, if one is in the folder
    about      what the model learned from, where that is known
    """
    kind = facts["kind"]
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
    stands_for, what = FILES[kind]
    asked = "" if sample else f"`{stands_for}` stands for {what}; there is none in this folder."
    int8 = "model.int8.onnx" in files
    return Template((HERE / "guide.md").read_text("utf-8")).substitute(
        name=name,
        reads=READS[kind],
        count=len(labels),
        labels=known,
        accuracy=f"{about} {told}".strip(),
        ask=f"python infer.py {sample or stands_for}",
        asked="\n\n".join(filter(None, [asked, PILLOW if kind in ("digit", "picture") else ""])),
        unclear=refusals(facts.get("reject", {}), no_answer),
        int8=", `--int8` runs the smaller model" if int8 else "",
        benchmark="\npython benchmark.py --int8" if int8 else "",
        smaller=SMALLER if int8 else "",
        guide=section.read_text("utf-8").strip() if section.is_file() else "",
        estimates="\n".join(rows) if estimates else "(no estimate: a cost is not known)",
        files="\n".join(f"| `{f}` | {ABOUT.get(f, 'an example to ask about')} |" for f in files),
    )


def refusals(reject: Mapping[str, float], no_answer: Mapping[str, float]) -> str:
    """Which scores give no answer, and how often that was so."""
    if not reject:
        return (
            "The likeliest label is always said, however unlikely it is: nobody chose what an "
            "answer must have (`reject` in `preprocess.json`)."
        )
    least = {
        "probability": f"a probability of {reject.get('probability', 0):.0%}",
        "score": f"a score of {reject.get('score', 0):g}",
    }
    wanted = " and ".join(text for key, text in least.items() if key in reject)
    told = f"An answer must have {wanted} (`preprocess.json`); below, it is `no answer`."
    if no_answer:
        shares = [f"{share:.1%} with `{name}`" for name, share in no_answer.items()]
        told += f" Of the test examples that was so for {', '.join(shares)}."
    return told
