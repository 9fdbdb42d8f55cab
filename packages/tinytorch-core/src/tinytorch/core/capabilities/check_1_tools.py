"""Checkpoint 1: my tools work. Python, NumPy, files, drawn data, and the modules of the workspace.

Left out: what `tito doctor` looks at besides, such as versions that do not fit together.
"""

import importlib
import sys
import tempfile
from pathlib import Path

import numpy as np

from tinytorch.core.serialization import load, save
from tinytorch.course import overlay
from tinytorch.course.checking import exercise, same
from tinytorch.datasets import DrawnDigits


@exercise("1")
def check_python_and_numpy_are_new_enough() -> None:
    assert sys.version_info >= (3, 11), f"Python {sys.version.split()[0]}: 3.11 is the oldest"
    assert int(np.__version__.split(".")[0]) >= 2, f"NumPy {np.__version__}: 2.0 is the oldest"


@exercise("1")
def check_numpy_multiplies_matrices_of_any_layout() -> None:
    rng = np.random.default_rng(0)
    x, y = (rng.integers(-9, 10, (64, 64)).astype(np.float32) for _ in range(2))
    exact = x.astype(np.int64) @ y.astype(np.int64)
    for form, got in (("x @ y", x @ y), ("(y.T @ x.T).T", (y.T @ x.T).T)):
        same(got, exact.astype(np.float32), call=f"{form} of float32 (64, 64)", rtol=0, atol=0)


@exercise("1")
def check_what_is_saved_is_read_again() -> None:
    saved = {"weights": np.arange(6, dtype=np.float32).reshape(2, 3), "step": np.array(7)}
    with tempfile.TemporaryDirectory() as folder:
        save(saved, Path(folder, "model.safetensors"))
        found = load(Path(folder, "model.safetensors"))
    for name, array in saved.items():
        same(found[name], array, call=f"load(...)[{name!r}]", why="it was saved so")


@exercise("1")
def check_digits_are_drawn_without_a_network() -> None:
    images, labels = DrawnDigits("test", n=200).get_batch(np.arange(200))
    same(np.unique(labels), np.arange(10), call="the labels of DrawnDigits", why="ten digits")
    assert images.shape == (200, 1, 28, 28), f"images: expected (200, 1, 28, 28), {images.shape}"
    assert images.std() > 0.5, "the images are empty"


@exercise("1")
def check_every_module_that_has_joined_is_the_one_in_use() -> None:
    root = overlay.find()
    for file in overlay.joined(root) if root else ():
        name = overlay.module_name(file)
        assert (Path(root or "") / file).exists(), (
            f"{file} has joined, but it is gone: tito undo brings it back"
        )
        module = importlib.import_module(name)
        same_file = Path(str(module.__file__)) == Path(root or "") / file
        assert same_file, f"{name} comes from {module.__file__}, not from your {file}"
