"""What the model of this folder wants, and what its scores mean: `preprocess.json`, `labels.json`.

    model = Model(folder)                     # model.onnx, or model.int8.onnx
    x = model.prepare(read("photo.jpg"))      # (1, *shape) float32
    print(model.answer(model.scores(x)))

Left out: cameras (`camera.py`), microphones (`microphone.py`), and the command (`infer.py`).
"""

import json
import time
import wave
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import mfcc
import numpy as np
import onnxruntime
from paper import NotADigitError, find_digit
from pictures import grey, read_picture, resize

Array = np.ndarray[Any, Any]
KINDS = ("digit", "picture", "keyword", "array")
QUIET = 300  # of 32,767: sound that nowhere is louder is silence


def as_json(path: Path) -> Any:
    """What a JSON file of this folder holds. Raises ValueError, naming the file."""
    try:
        return json.loads(path.read_text("utf-8"))
    except (ValueError, OSError) as error:
        raise ValueError(
            f"{path.name} is missing or damaged ({error}): copy the whole folder again"
        ) from None


def read(path: str | Path) -> Array:
    """What a file holds: a picture, sound (a .wav of 16,000 Hz), or the array of a .npy.

    Raises ValueError, with what would help, for what cannot be read.
    """
    ending = Path(path).suffix.lower()
    if ending == ".npy":
        return read_array(path)
    if ending == ".wav":
        return read_wav(path)
    return read_picture(path)


def read_array(path: str | Path) -> Array:
    """The one array of a .npy."""
    try:
        with open(path, "rb") as file:  # NumPy leaves a broken .npz open
            found = np.load(file, allow_pickle=False)
    except (ValueError, EOFError, BadZipFile) as error:
        raise ValueError(f"{path} is no .npy file that can be read: {error}") from None
    if not isinstance(found, np.ndarray):
        raise ValueError(f"{path} holds several arrays, as .npz: one is wanted, by numpy.save")
    if not found.size:
        raise ValueError(f"{path} holds nothing: its shape is {found.shape}")
    if found.dtype.kind not in "uif":
        raise ValueError(f"{path} holds {found.dtype}: numbers are wanted")
    if not np.isfinite(found).all():
        raise ValueError(f"{path} holds NaN or infinity: numbers are wanted")
    return found


def loudest(samples: Array) -> int:
    """The largest magnitude of int16 samples."""
    return int(np.abs(samples.astype(np.int32)).max(initial=0))


def read_wav(path: str | Path) -> Array:
    """The samples of a .wav, int16; several channels are averaged."""
    try:
        with wave.open(str(path), "rb") as file:
            rate, width, channels = file.getframerate(), file.getsampwidth(), file.getnchannels()
            content = file.readframes(file.getnframes())
    except (wave.Error, EOFError) as error:
        raise ValueError(
            f"{path} is no .wav file that can be read: {str(error) or 'it ends early'}"
        ) from None
    if rate != mfcc.RATE or width != 2:
        raise ValueError(
            f"{path}: {rate} Hz, {8 * width} bits; 16000 Hz and 16 bits are wanted: "
            f"ffmpeg -i {Path(path).name} -ar 16000 -ac 1 -c:a pcm_s16le sound.wav"
        )
    whole = len(content) // (2 * channels) * 2 * channels  # a file that was cut ends anywhere
    if not whole:
        raise ValueError(f"{path} holds no sound")
    samples = np.frombuffer(content[:whole], "<i2").reshape(-1, channels)
    return np.rint(samples.mean(axis=1)).astype(np.int16)


class Model:
    """A model of this folder, run by ONNX Runtime on the processor.

    folder   with model.onnx, preprocess.json, labels.json
    int8     whether to run model.int8.onnx
    threads  of ONNX Runtime; 0 leaves the number to it
    """

    def __init__(self, folder: str | Path, *, int8: bool = False, threads: int = 1) -> None:
        here = Path(folder)
        self.facts = as_json(here / "preprocess.json")
        self.labels: list[str] = as_json(here / "labels.json")
        check_facts(self.facts, self.labels)
        self.shape = tuple(self.facts["shape"])
        path = here / ("model.int8.onnx" if int8 else "model.onnx")
        if not path.is_file():
            raise ValueError(
                f"{path.name} is not in this folder: "
                + ("it was made without an int8 model" if int8 else "copy the whole folder again")
            )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        start = time.perf_counter()
        try:
            self.session = onnxruntime.InferenceSession(
                path.read_bytes(), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # of a class that onnxruntime does not name
            raise ValueError(f"{path.name} cannot be loaded: {error}") from None
        self.load_seconds = time.perf_counter() - start
        self.input = self.session.get_inputs()[0].name

    def prepare(self, data: Array) -> Array:
        """What the model reads, (1, *shape) float32, from what `read` or a sensor gave.

        Floats of the model's own shape are taken as they are. Raises NotADigitError, ValueError.
        """
        kind = self.facts["kind"]
        if data.dtype.kind == "f" and data.shape[-len(self.shape) :] == self.shape:
            return data.astype(np.float32).reshape(-1, *self.shape)
        pixels = data.ndim == 2 or (data.ndim == 3 and data.shape[2] in (3, 4))
        fits = {
            "array": False,
            "keyword": data.ndim == 1,
            "digit": pixels and data.dtype.kind in "ui",
            "picture": pixels and data.dtype.kind in "ui",
        }
        if not fits[kind]:
            raise ValueError(
                f"{data.dtype} {data.shape}: this model reads {self.shape}, float32"
                + {"array": "", "keyword": ", or a .wav of 16,000 Hz"}.get(kind, ", or a picture")
            )
        mean, std = (np.asarray(self.facts[key], np.float32) for key in ("mean", "std"))
        if kind == "keyword":
            values = mfcc.real(mfcc.quantised(mfcc.coefficients(data)))  # (49, 10)
            return ((values - mean) / std).reshape(1, *self.shape).astype(np.float32)
        # (C, H, W)
        found = find_digit(grey(data))[None] if kind == "digit" else self.picture(data)
        out = (found - mean.reshape(-1, 1, 1)) / std.reshape(-1, 1, 1)
        return out[None].astype(np.float32)

    def picture(self, data: Array) -> Array:
        """A picture in the model's size, (C, H, W) in 0..1; what is not square is cut."""
        channels, height, width = self.shape
        side = min(data.shape[0] / height, data.shape[1] / width)
        rows, columns = round(side * height), round(side * width)
        top, left = (data.shape[0] - rows) // 2, (data.shape[1] - columns) // 2
        cut = data[top : top + rows, left : left + columns]
        if channels == 1:
            return resize(grey(cut), height, width)[None]
        if cut.ndim == 2:
            cut = np.repeat(cut[..., None], 3, axis=2)
        return np.moveaxis(resize(cut[..., :3], height, width) / 255, -1, 0)

    def scores(self, x: Array) -> Array:
        """The model's output, (N, classes) float32."""
        return np.asarray(self.session.run(None, {self.input: x})[0])

    def answer(self, scores: Array) -> dict[str, Any]:
        """What scores (classes,) or (1, classes) say, and whether it is sure enough to be said."""
        row = np.asarray(scores, np.float64).reshape(-1)
        if len(row) != len(self.labels):
            raise ValueError(f"{len(row)} scores, but {len(self.labels)} labels")
        if not np.isfinite(row).all():
            return nothing("the model's scores are no numbers")
        shares = probabilities(row)
        best = int(row.argmax())
        why = doubt(float(shares[best]), float(row[best]), self.facts.get("reject") or {})
        return {
            "answer": self.labels[best] if why is None else None,
            "guess": self.labels[best],
            "probability": float(shares[best]),
            "score": float(row[best]),
            "why": why,
            "top": [[self.labels[i], float(shares[i])] for i in np.argsort(-row)[:3]],
        }

    def ask(self, data: Array, quiet: int = QUIET) -> dict[str, Any]:
        """The answer to a picture, sound, or array; or why there is none. See `ask_each`."""
        return self.ask_each(data, quiet)[0]

    def ask_each(self, data: Array, quiet: int = QUIET) -> list[dict[str, Any]]:
        """The answers: several where an array holds several examples.

        quiet  sound whose samples are all below is silence, for a model that knows silence

        What is longer or shorter than the second that is looked at has a "note".
        """
        try:
            x = self.prepare(data)
        except NotADigitError as error:
            return [nothing(str(error))]
        if data.ndim > 1 or self.facts["kind"] != "keyword":
            return [self.answer(self.scores(x[i : i + 1])) for i in range(len(x))]
        seen = data[: mfcc.RATE]
        if seen.dtype.kind == "i" and loudest(seen) < quiet and "silence" in self.labels:
            found = {"answer": "silence", "guess": "silence", "probability": 1.0, "why": None}
        else:
            found = self.answer(self.scores(x))
        seconds = len(data) / mfcc.RATE
        if seconds > 1:
            found["note"] = (
                f"looked at the first second of {seconds:.1f}; microphone.py FILE looks at all"
            )
        elif seconds < 1:
            found["note"] = f"it ends early, after {seconds:.2f} s; the rest of a second is silence"
        return [found]


def check_facts(facts: Any, labels: Any) -> None:
    """Raise ValueError where preprocess.json or labels.json is not what a bundle writes."""
    if not isinstance(labels, list) or not isinstance(facts, dict):
        raise ValueError("labels.json must hold a list, preprocess.json an object")
    kind = facts.get("kind")
    wanted = ["kind", "shape"] if kind == "array" else ["kind", "shape", "mean", "std"]
    lacking = [key for key in wanted if key not in facts]
    if lacking:
        raise ValueError(f"preprocess.json lacks {', '.join(lacking)}: copy the whole folder again")
    if kind not in KINDS:
        raise ValueError(f"preprocess.json says kind {kind!r}: one of {', '.join(KINDS)}")


def probabilities(row: Array) -> Array:
    """Scores (classes,) as they are where they are probabilities, else their softmax."""
    if (row >= 0).all() and abs(row.sum() - 1) <= 1e-4:
        return row
    powers = np.exp(row - row.max())
    return np.asarray(powers / powers.sum())


def doubt(probability: float, score: float, least: dict[str, float]) -> str | None:
    """Why the likeliest answer does not count; None where it does.

    least  the "probability" and the "score" that are wanted: "reject" in preprocess.json
    """
    if probability < least.get("probability", 0):
        return f"not sure enough: {probability:.2%}, and {least['probability']:.2%} is wanted"
    if score < least.get("score", -np.inf):
        return f"not sure enough: its score is {score:.3f}, and {least['score']:.3f} is wanted"
    return None


def nothing(why: str) -> dict[str, Any]:
    """No answer, and no guess."""
    return {"answer": None, "guess": None, "probability": 0.0, "why": why}


def sentence(found: dict[str, Any]) -> str:
    """An answer as a line of text."""
    if found["answer"] is not None:
        return f"{found['answer']}  ({found['probability']:.1%})"
    if found["guess"] is None:
        return f"no answer: {found['why']}"
    return f"no answer: {found['why']} (perhaps {found['guess']}, {found['probability']:.1%})"
