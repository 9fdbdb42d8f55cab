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

import mfcc
import numpy as np
import onnxruntime
from paper import NotADigitError, find_digit
from pictures import grey, read_picture, resize

Array = np.ndarray[Any, Any]


def read(path: str | Path) -> Array:
    """What a file holds: a picture, sound (a .wav of 16,000 Hz), or the array of a .npy.

    Raises ValueError, with what would help, for what cannot be read.
    """
    ending = Path(path).suffix.lower()
    if ending == ".npy":
        return np.asarray(np.load(path, allow_pickle=False))
    if ending == ".wav":
        return read_wav(path)
    return read_picture(path)


def read_wav(path: str | Path) -> Array:
    """The samples of a .wav, int16; several channels are averaged."""
    try:
        with wave.open(str(path), "rb") as file:
            rate, width, channels = file.getframerate(), file.getsampwidth(), file.getnchannels()
            content = file.readframes(file.getnframes())
    except (wave.Error, EOFError) as error:
        raise ValueError(f"{path} is no .wav file that can be read: {error}") from None
    if rate != mfcc.RATE or width != 2:
        raise ValueError(
            f"{path}: {rate} Hz, {8 * width} bits; 16000 Hz and 16 bits are wanted: "
            f"ffmpeg -i {Path(path).name} -ar 16000 -ac 1 -c:a pcm_s16le sound.wav"
        )
    samples = np.frombuffer(content, "<i2").reshape(-1, channels)
    return np.rint(samples.mean(axis=1)).astype(np.int16)


class Model:
    """A model of this folder, run by ONNX Runtime on the processor.

    folder   with model.onnx, preprocess.json, labels.json
    int8     whether to run model.int8.onnx
    threads  of ONNX Runtime; 0 leaves the number to it
    """

    def __init__(self, folder: str | Path, *, int8: bool = False, threads: int = 1) -> None:
        here = Path(folder)
        self.facts = json.loads((here / "preprocess.json").read_text("utf-8"))
        self.labels: list[str] = json.loads((here / "labels.json").read_text("utf-8"))
        self.shape = tuple(self.facts["shape"])
        path = here / ("model.int8.onnx" if int8 else "model.onnx")
        if not path.is_file():
            raise ValueError(
                f"{path.name} is not in this folder: it was made without an int8 model"
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
        sound = data.ndim == 1
        if kind == "array" or sound != (kind == "keyword"):
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
        shares = np.exp(row - row.max())
        shares /= shares.sum()
        best = int(row.argmax())
        least = self.facts.get("reject", {})
        sure = shares[best] >= least.get("probability", 0) and row[best] >= least.get(
            "score", -np.inf
        )
        return {
            "answer": self.labels[best] if sure else None,
            "guess": self.labels[best],
            "probability": float(shares[best]),
            "score": float(row[best]),
            "why": None if sure else "not sure enough",
            "top": [[self.labels[i], float(shares[i])] for i in np.argsort(-row)[:3]],
        }

    def ask(self, data: Array) -> dict[str, Any]:
        """The answer to a picture, sound, or array; or why there is none."""
        try:
            x = self.prepare(data)
        except NotADigitError as error:
            return {"answer": None, "guess": None, "probability": 0.0, "why": str(error)}
        return self.answer(self.scores(x[:1]))


def sentence(found: dict[str, Any]) -> str:
    """An answer as a line of text."""
    if found["answer"] is not None:
        return f"{found['answer']}  ({found['probability']:.1%})"
    if found["guess"] is None:
        return f"no answer: {found['why']}"
    return f"no answer: {found['why']} (perhaps {found['guess']}, {found['probability']:.1%})"
