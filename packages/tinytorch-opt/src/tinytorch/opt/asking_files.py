"""An ONNX file that is asked about pictures: what it says of itself, and its answers in words.

    file = AskedFile("lenet5.onnx")
    file.ask(file.read("three.png").x)     # [[Guess(label="3", ...), ...]]

It needs onnxruntime, and nothing of what trained the model. Left out: what is typed and shown
(`run_command.py`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from tinytorch.opt.deploy.scripts.pictures import read_picture
from tinytorch.opt.preparing import Preparation

Array = np.ndarray[Any, np.dtype[Any]]
WITH_LABELS = "tito export MODEL --data SET"
TYPES = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(uint8)": np.uint8,
}


class AskingError(ValueError):
    """A file that cannot be asked, or an input that it cannot read, and what would help."""


@dataclass(frozen=True)
class Guess:
    """A class, how likely the model says it is, and the score from which that comes."""

    label: str
    index: int
    probability: float
    score: float


@dataclass(frozen=True)
class Input:
    """What the model reads, (N, *shape), and how it came about.

    inverted  whether light and dark were exchanged, because its margin is light
    on_paper  whether it was found in a larger picture, as a digit on paper
    """

    x: Array
    inverted: bool = False
    on_paper: bool = False


class AskedFile:
    """A model in a file, run by ONNX Runtime in one thread.

    labels       of the classes, or None where the file does not say
    preparation  of a picture, or None

    Raises AskingError for a file that is not there, is no ONNX, or has several inputs.
    """

    def __init__(self, path: Path) -> None:
        try:
            import onnxruntime
        except ModuleNotFoundError:
            raise AskingError(
                "onnxruntime, which runs the file, is not installed: "
                'python -m pip install "tinytorch-opt[onnx]"'
            ) from None
        there(path, "name its model.onnx")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3  # errors only
        try:
            self.session = onnxruntime.InferenceSession(
                path.read_bytes(), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # of a class that onnxruntime does not name in its interface
            raise AskingError(
                f"{path} is no model that ONNX Runtime {onnxruntime.__version__} can run: {error}"
            ) from None
        inputs = self.session.get_inputs()
        if len(inputs) != 1 or inputs[0].type not in TYPES:
            names = ", ".join(f"{value.name} ({value.type})" for value in inputs[:3])
            more = f" and {len(inputs) - 3} more" if len(inputs) > 3 else ""
            raise AskingError(
                f"{path} reads {names}{more}: here only models of one input, numbers, can be asked"
            )
        self.path = path
        self.input = inputs[0].name
        self.dtype = np.dtype(TYPES[inputs[0].type])
        self.shape = tuple(inputs[0].shape)  # names and numbers: ("batch", 1, 28, 28)
        texts = self.session.get_modelmeta().custom_metadata_map
        try:
            labels = json.loads(texts["labels"]) if "labels" in texts else None
            self.labels = None if labels is None else [str(label) for label in labels]
            self.preparation = Preparation.read(texts)
        except (ValueError, TypeError) as error:
            raise AskingError(f"{path}: {error}") from None

    def read(self, path: Path, *, invert: bool | None = None, fit: bool = False) -> Input:
        """Read a picture, or an array (.npy), and prepare it for the model.

        invert, fit  as for `Preparation.apply`. An array of uint8 is a picture, (H, W) or (H, W,
                     3); any other is taken as it is, with or without the batch

        Raises AskingError, naming the file.
        """
        there(path, "name a picture in it")
        try:
            if path.suffix.lower() == ".npy":
                values = read_array(path)
                if values.dtype != np.uint8 or self.dtype == np.uint8:
                    return Input(self.fitting(values))
            else:
                values = read_picture(path)
            if values.ndim not in (2, 3) or (values.ndim == 3 and values.shape[2] < 3):
                raise ValueError(f"it is {values.shape}; a picture is (H, W) or (H, W, 3)")
            if self.preparation is None:
                raise ValueError(
                    f"{self.path.name} does not say how a picture is prepared for it: "
                    f"{WITH_LABELS} writes that into the file; or give it an array that is "
                    "prepared, .npy"
                )
            x = self.fitting(self.preparation.apply(values, invert, fit))
            on_paper = self.preparation.on_paper(values, fit)
            turned = invert is None and not on_paper and self.preparation.turns_over(values)
            return Input(x, bool(invert or turned), on_paper)
        except (ValueError, EOFError) as error:
            told = str(error)
            raise AskingError(told if told.startswith(f"{path}") else f"{path}: {told}") from None

    def fitting(self, values: Array) -> Array:
        """An array as the model takes it, with a batch in front. Raises ValueError."""
        if values.ndim == len(self.shape) - 1:
            values = values[np.newaxis]
        fits = len(values.shape) == len(self.shape) and all(
            not isinstance(size, int) or size == have
            for size, have in zip(self.shape, values.shape, strict=True)
        )
        if not fits or not values.size or values.dtype.kind != self.dtype.kind:
            sizes = ", ".join(map(str, self.shape))
            raise ValueError(
                f"it is {values.dtype} of shape {values.shape}; {self.path.name} reads "
                f"{self.dtype} of shape ({sizes})"
            )
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise ValueError("it holds NaN or infinity: numbers are wanted")
        return np.ascontiguousarray(values, self.dtype)

    def ask(self, x: Array, top: int = 3) -> list[list[Guess]]:
        """The most likely classes of each example, the likeliest first.

        Raises AskingError where the model's answer is no row of scores for each.
        """
        scores = np.asarray(self.session.run(None, {self.input: x})[0])
        if scores.ndim != 2 or len(scores) != len(x) or scores.dtype.kind != "f":
            raise AskingError(
                f"{self.path} answers {scores.dtype} {scores.shape}, which is no row of scores for "
                "each picture"
            )
        if self.labels is not None and len(self.labels) != scores.shape[1]:
            raise AskingError(
                f"{self.path} gives {scores.shape[1]} scores, and names {len(self.labels)} labels"
            )
        if not np.isfinite(scores).all():
            raise AskingError(f"{self.path} answers NaN or infinity, which is no score")
        return [self._guesses(*rows, top) for rows in zip(shares(scores), scores, strict=True)]

    def doubt(self, guess: Guess) -> str | None:
        """Why the likeliest guess does not count, by what the file wants; None where it does.

        As `doubt` in the `prepare.py` of a bundle has it: a bundle's model asked by either answers
        the same.
        """
        least = (self.preparation.reject if self.preparation else None) or {}
        if guess.probability < least.get("probability", 0):
            return (
                f"not sure enough: {guess.probability:.2%}, and {least['probability']:.2%} is "
                "wanted"
            )
        if guess.score < least.get("score", -np.inf):
            return (
                f"not sure enough: its score is {guess.score:.3f}, and {least['score']:.3f} is "
                "wanted"
            )
        return None

    def _guesses(self, row: Array, scores: Array, top: int) -> list[Guess]:
        order = np.argsort(-row, kind="stable")[:top]
        return [
            Guess(
                self.labels[i] if self.labels else f"class {i}",
                int(i),
                float(row[i]),
                float(scores[i]),
            )
            for i in order
        ]


def there(path: Path, folder: str) -> None:
    """Raise AskingError where there is no such file; `folder`: what to do where it is a folder."""
    if path.is_dir():
        raise AskingError(f"{path} is a folder: {folder}")
    if not path.is_file():
        raise AskingError(f"{path}: there is no such file")


def read_array(path: Path) -> Array:
    """The one array of a .npy. Raises ValueError."""
    try:
        with path.open("rb") as file:  # NumPy leaves a broken .npz open
            found = np.load(file, allow_pickle=False)
    except BadZipFile as error:
        raise ValueError(f"it is no .npy that can be read: {error}") from None
    if not isinstance(found, np.ndarray):
        raise ValueError("it holds several arrays, as .npz: one is wanted, by numpy.save")
    return found


def shares(scores: Array) -> Array:
    """Probabilities (N, classes): scores as they are where they are some, else their softmax."""
    scores = scores.astype(np.float64)
    if (scores >= 0).all() and np.allclose(scores.sum(axis=1), 1, atol=1e-4):
        return scores
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))
