"""Module 16, all of it: a tenth of the bytes and less, at no more than a point of accuracy.

On MNIST where TINYTORCH_DATA names a folder that holds it, on drawn digits for everybody. The
numbers in the comments are of these commands on the 21st of November 2026.
"""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinytorch.arch.models import LeNet5
from tinytorch.arch.trained import trained
from tinytorch.core.training import LinearSchedule, Trainer, count_steps, evaluate
from tinytorch.data import DataLoader
from tinytorch.datasets import MNIST, DrawnDigits, available
from tinytorch.nn import CrossEntropyLoss, Module
from tinytorch.opt.compressing import compress
from tinytorch.opt.packing import read_packed
from tinytorch.opt.structured import fitted
from tinytorch.optim import Adam

needs_mnist = pytest.mark.skipif(
    not (os.environ.get("TINYTORCH_DATA") and available("mnist")),
    reason="MNIST: TINYTORCH_DATA names no folder that holds it",
)


@functools.cache
def digits(split: str) -> DrawnDigits:
    return DrawnDigits(split, {"train": 3000, "test": 1000}[split])


@functools.cache
def reader_of_drawn_digits() -> Module:
    rng = np.random.default_rng(0)
    model, loader = LeNet5(rng=rng), DataLoader(digits("train"), 64, shuffle=True, rng=rng)
    schedule = LinearSchedule(count_steps(loader, 3))
    optimizer = Adam(model.parameters(), lr=4e-3)
    trainer = Trainer(model, CrossEntropyLoss(), optimizer, schedule=schedule, progress=False)
    trainer.fit(loader, epochs=3)
    return model.eval()


def accuracy(model: Module, data: Any) -> float:
    return evaluate(model, CrossEntropyLoss(), DataLoader(data, 1000))["accuracy"]


def test_ten_times_smaller_at_a_point_on_drawn_digits(tmp_path: Path) -> None:
    model, path = reader_of_drawn_digits(), tmp_path / "small.ttpack"
    before = model.state_dict()
    how = {"keep": 0.7, "sparsity": 0.6, "batch": 32, "epochs": 3, "alpha": 0.7}
    result = compress(model, digits("train"), path, **how)
    assert result.packed.nbytes == path.stat().st_size
    assert result.ratio == result.before / path.stat().st_size >= 10
    lost = accuracy(model, digits("test")) - accuracy(result.model, digits("test"))
    assert lost <= 0.01  # 0.960 before and after, 16,442 bytes
    assert accuracy(model, digits("test")) >= 0.9  # so that there was something to lose
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


def test_the_file_holds_the_network_that_was_measured(tmp_path: Path) -> None:
    path = tmp_path / "small.ttpack"
    keep = {"0": 0.5, "7": 0.25}
    options = {"keep": keep, "sparsity": 0.6, "bits": 4, "codebook": True, "epochs": 1}
    result = compress(reader_of_drawn_digits(), digits("train"), path, **options)
    again = fitted(LeNet5(), read_packed(path))
    for name, array in result.model.state_dict().items():
        np.testing.assert_array_equal(again.state_dict()[name], array)
    assert again.layers[0].weight.shape == (3, 1, 5, 5)
    assert again.layers[7].weight.shape == (400, 30)
    weights = sum(p.size for p in result.model.parameters() if p.ndim > 1)
    assert result.zeros.total.zeros == round(0.6 * weights)
    lines = str(result).splitlines()
    assert "4 bits, codebook" in lines[1]
    assert lines[-1].endswith(f"{result.before:,} bytes before, {result.ratio:.1f} times as many")


def test_the_same_seed_makes_the_same_file(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a", "b", "c")]
    for path, seed in zip(paths, (0, 0, 1), strict=True):
        compress(reader_of_drawn_digits(), digits("test"), path, keep=0.3, epochs=1, seed=seed)
    first, again, other = (path.read_bytes() for path in paths)
    assert first == again != other


def test_a_data_set_without_examples_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="compress: `train` holds no examples"):
        compress(LeNet5(), [], tmp_path / "small.ttpack")


@needs_mnist
@pytest.mark.once
def test_forty_times_smaller_at_a_point_on_mnist(tmp_path: Path) -> None:
    model, test = trained("lenet5"), MNIST("test")
    path = tmp_path / "lenet5.ttpack"
    result = compress(model, MNIST("train"), path, epochs=1, batch=64)
    assert result.before == 247_568
    assert path.stat().st_size <= result.before / 40  # 5,701 bytes
    assert accuracy(result.model, test) >= accuracy(model, test) - 0.01  # 0.9863, of 0.9923


@needs_mnist
@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_sixty_times_smaller_at_half_a_point_on_mnist(tmp_path: Path, seed: int) -> None:
    model, test = trained("lenet5"), MNIST("test")
    path = tmp_path / "lenet5.ttpack"
    keep = {"0": 0.67, "3": 0.5, "7": 0.34, "9": 0.5}
    result = compress(model, MNIST("train"), path, keep=keep, sparsity=0.7, bits=4, seed=seed)
    assert result.ratio >= 60  # 3,946 to 3,994 bytes
    assert accuracy(result.model, test) >= accuracy(model, test) - 0.005  # 0.9879 to 0.9888
