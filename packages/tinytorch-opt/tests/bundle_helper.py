"""Bundles for the tests, and their programs as a Raspberry Pi runs them: alone, from elsewhere."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from tinytorch.arch.trained import trained
from tinytorch.core.layers import Linear, Sequential
from tinytorch.datasets import DrawnDigits
from tinytorch.nn import Flatten
from tinytorch.opt.deploy import DIGIT_ON_PAPER, Bundle, bundle
from tinytorch.opt.deploy.photographs import photograph
from tinytorch.opt.quantization import quantize

PHOTO_OF = 4  # the digit that the sample shows


def ppm(pixels: Any) -> bytes:
    """A picture (H, W, 3) uint8 as a PPM file."""
    return b"P6\n%d %d\n255\n" % (pixels.shape[1], pixels.shape[0]) + pixels.tobytes()


def photo_of(digit: int, seed: int = 3) -> Any:
    """A photograph, made by code, of a digit drawn by code."""
    digits = DrawnDigits("test")
    first = int(np.flatnonzero(digits.labels == digit)[0])
    return photograph(digits.images[first, 0] / 255, np.random.default_rng(seed))


def digit_bundle(folder: Path, **changes: Any) -> Bundle:
    """LeNet-5, float and int8, measured on drawn digits."""
    model = trained("lenet5")
    digits = DrawnDigits("test", mean=(0.1307,), std=(0.3081,))
    x, y = digits.get_batch(np.arange(200))
    raw = photo_of(PHOTO_OF)
    given: dict[str, Any] = {
        "example": x[:4],
        "labels": "0123456789",
        "preprocess": DIGIT_ON_PAPER,
        "int8": quantize(model, [x]),
        "test": (x, y),
        "sample": ("digit.ppm", ppm(raw)),
        "raw": raw,
        "command": "a test",
    }
    return bundle(model, folder, **(given | changes))


def run(
    folder: Path, program: str, *arguments: Any, path: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program of a bundle by `python -I`, in another folder; `path` comes first in PATH."""
    environment = dict(os.environ)
    if path is not None:
        environment["PATH"] = f"{path}{os.pathsep}{environment['PATH']}"
    return subprocess.run(
        [sys.executable, "-I", str(folder / program), *map(str, arguments)],
        cwd=folder.parent,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def install(folder: Path, name: str, code: str) -> Path:
    """A program called `name` in `folder`, in place of one that only a Raspberry Pi has."""
    folder.mkdir(exist_ok=True)
    program = folder / name
    program.write_text(f"#!{sys.executable} -I\n{code}")
    program.chmod(0o755)
    return folder


def rewrite(folder: Path, name: str, content: bytes) -> None:
    """Change a file, and its checksum too."""
    (folder / name).write_bytes(content)
    manifest = json.loads((folder / "MANIFEST.json").read_text())
    manifest["files"][name]["sha256"] = hashlib.sha256(content).hexdigest()
    (folder / "MANIFEST.json").write_text(json.dumps(manifest))


def small_model() -> Any:
    """Three scores for four numbers."""
    return Sequential(Flatten(), Linear(4, 3, rng=np.random.default_rng(0)))


def small_bundle(folder: Path, **changes: Any) -> Any:
    """A bundle that is made at once."""
    given: dict[str, Any] = {
        "example": np.ones((2, 1, 2, 2), np.float32),
        "labels": ["a", "b", "c"],
        "preprocess": {"kind": "array"},
    }
    return bundle(changes.pop("model", None) or small_model(), folder, **(given | changes))
