"""The milestone of 1998: its parts, that its gates can fail, what it shows, keeps and goes on from.

The quick recipe on both kinds of data is marked slow.
"""

from __future__ import annotations

import functools
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinytorch.arch import trained
from tinytorch.arch.milestones import m1998, photographs, pictures
from tinytorch.arch.models import LeNet5
from tinytorch.core.activations import relu
from tinytorch.core.layers import Module
from tinytorch.core.milestones import digits, sources
from tinytorch.core.milestones.result import Result
from tinytorch.core.serialization import load, load_metadata
from tinytorch.core.tensor import Tensor
from tinytorch.datasets import CIFAR10, MNIST, DownloadError, DrawnDigits, ImageDataset, available
from tinytorch.tito import main

DATA = bool(os.environ.get("TINYTORCH_DATA"))
needs_mnist = pytest.mark.skipif(
    not (DATA and available("mnist")), reason="MNIST: TINYTORCH_DATA names no folder that holds it"
)
needs_both = pytest.mark.skipif(
    not (DATA and available("mnist") and available("cifar-10")),
    reason="MNIST and CIFAR-10: TINYTORCH_DATA names no folder that holds them",
)


@functools.cache
def few(split: str, n: int | None = None) -> DrawnDigits:
    """Few of the drawn digits: drawing them takes longer than most of what is tested."""
    return DrawnDigits(split, n or {"train": 320, "test": 100}[split])


@pytest.fixture
def small_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digits, "DrawnDigits", few)
    monkeypatch.setattr(photographs, "DrawnDigits", few)


def run(**options: Any) -> Result:
    return m1998.run(**{"recipe": "quick", "data": "drawn", "show": False} | options)


# Data
def test_painted_digits_are_drawn_ones_in_colour_and_the_same_at_every_call(
    small_data: None,
) -> None:
    first, again = photographs.painted("test"), photographs.painted("test")
    np.testing.assert_array_equal(first.images, again.images)
    assert first.images.shape == (100, 3, 32, 32)
    np.testing.assert_array_equal(first.labels, few("test").labels)
    assert not np.array_equal(first.images, photographs.painted("train").images[:100])
    greys = first.images.std(axis=1)  # a grey pixel has three equal colours
    assert greys.mean() > 10


def test_without_a_network_painted_digits_serve_and_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any, small_data: None
) -> None:
    def refuse(name: str, progress: object) -> None:
        raise DownloadError(f"{name} could not be downloaded:\n  details")

    monkeypatch.delenv("TINYTORCH_DATA", raising=False)
    monkeypatch.setenv("TINYTORCH_CACHE", str(tmp_path))
    monkeypatch.setattr(sources, "fetch", refuse)
    result = run(data=None, show=True)
    shown = " ".join(capsys.readouterr().out.split())
    assert "Painted digits take CIFAR-10's place" in shown
    assert "Data: painted digits (made by code, not CIFAR-10)" in shown
    assert result.data["name"] == "drawn digits and painted digits"
    assert result.data["photographs"]["where"] == "made by code, not CIFAR-10"
    with pytest.raises(DownloadError):
        run(data="cifar-10")


# The run
def test_a_run_keeps_weights_pictures_and_a_record(tmp_path: Path, small_data: None) -> None:
    result = run(out=tmp_path)
    record = json.loads((tmp_path / "result.json").read_text())
    assert [gate["what"] for gate in record["gates"]] == [
        "LeNet-5 on drawn digits, test accuracy",
        "the network on painted digits, test accuracy",
    ]
    confusion = np.array(record["numbers"]["confusion, lenet5"])
    assert confusion.sum() == 100
    share = confusion.trace() / 100
    assert share == pytest.approx(record["gates"][0]["value"])
    model = LeNet5()
    model.load_state_dict(load(tmp_path / "lenet5.safetensors"))
    assert pictures.judge(model, few("test")).accuracy() == pytest.approx(share)
    texts = load_metadata(tmp_path / "lenet5.safetensors")
    assert texts["command"] == result.command
    assert texts["test accuracy"] == f"{share:.4f}"
    assert not (tmp_path / "checkpoints").exists() or not any((tmp_path / "checkpoints").iterdir())


def test_a_network_that_learned_nothing_misses_both_gates(small_data: None) -> None:
    tiny = {"digits.lr": 1e-9, "photographs.painted_lr": 1e-9}
    result = run(changes=tiny)
    assert [gate.passed for gate in result.gates if not gate.goal] == [False, False]
    assert not result.passed


def test_a_stopped_run_goes_on_and_ends_as_if_it_had_not_been_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_data: None, capsys: Any
) -> None:
    whole = run()
    steps = 0
    step = m1998.Trainer.train_step

    def counted(self: Any, batches: Any) -> float:
        nonlocal steps
        steps += 1
        if steps == 5:  # in the second training: the first has 3 steps
            raise KeyboardInterrupt
        return step(self, batches)

    monkeypatch.setattr(m1998.Trainer, "train_step", counted)
    with pytest.raises(KeyboardInterrupt):
        run(out=tmp_path)
    steps = 10
    again = run(out=tmp_path, show=True)
    assert steps == 13  # the second training only
    for one, other in zip(whole.gates, again.gates, strict=True):
        assert one.value == other.value
    assert again.curves == whole.curves  # that of the first training, which was over, too
    assert not (tmp_path / "checkpoints").exists()
    said = " ".join(capsys.readouterr().out.split())
    for file in ("lenet5.safetensors", "cifar_cnn.safetensors"):
        assert f"Written: {tmp_path / file}, the weights" in said
    assert "training loss, painted digits" in {curve.name for curve in again.curves}
    assert "computed from the images, not trained:" in said


def test_ctrl_c_says_that_nothing_is_kept_where_nothing_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], small_data: None
) -> None:
    def stop(*arguments: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(m1998.Trainer, "train_step", stop)
    with pytest.raises(KeyboardInterrupt):
        run()
    said = " ".join(capsys.readouterr().err.split())
    assert "Stopped. Nothing is kept: the same command begins anew. A folder for it, --out" in said


def test_tito_runs_it_by_its_names(capsys: Any, small_data: None) -> None:
    changes = ["--set", "digits.lr=1e-9", "--set", "photographs.painted_lr=1e-9"]
    assert (
        main(["milestone", "run", "lenet", "--recipe", "quick", "--data", "drawn", *changes]) == 1
    )
    assert "1998 · Convolutions read digits" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_the_quick_recipe_passes_on_drawn_data(seed: int) -> None:
    result = m1998.run(recipe="quick", data="drawn", seed=seed, show=False)
    assert result.passed, result.gates


@needs_both
@pytest.mark.slow
def test_the_quick_recipe_passes_on_mnist_and_cifar() -> None:
    result = m1998.run(recipe="quick", show=False)
    assert result.passed, result.gates


# What is shown
class Fixed(Module):
    """Says for each image the class that its first pixel names."""

    def forward(self, x: Tensor) -> Tensor:
        return relu(Tensor(np.eye(3, dtype=np.float32)[x.data[:, 0, 0, 0].astype(int)]))


def test_confusions_and_mistakes_are_counted_by_right_class_and_answer() -> None:
    images = np.zeros((4, 1, 2, 2), np.uint8)
    images[:, 0, 0, 0] = [0, 1, 1, 2]
    data = ImageDataset(
        images, [0, 1, 2, 2], classes=("ant", "bee", "cow"), mean=[0], std=[1 / 255]
    )
    judgement = pictures.judge(Fixed(), data, batch=3)
    assert judgement.accuracy() == 0.75
    np.testing.assert_array_equal(judgement.confusion(), [[1, 0, 0], [0, 1, 0], [0, 1, 1]])
    assert judgement.mistakes(5).tolist() == [2]
    assert pictures.caption(judgement, 2) == "cow, taken for bee"
    headers, rows = pictures.confusion_rows(judgement)
    assert headers == ["", "ant", "bee", "cow"]
    assert rows[2] == ["cow", "·", "1", "1"]


def test_the_surest_mistakes_come_first() -> None:
    data = ImageDataset(np.zeros((3, 1, 2, 2), np.uint8), [0, 0, 0], classes=("a", "b"))
    judgement = pictures.Judgement(data, np.array([1, 1, 0]), np.array([0.5, 2.0, 0.0]))
    assert judgement.mistakes(2).tolist() == [1, 0]


def test_an_image_is_drawn_darker_where_it_is_darker_and_half_as_high() -> None:
    image = np.zeros((1, 4, 4), np.float32)
    image[0, :, 2:] = 1
    assert pictures.shaded(image, 4) == ["  @@", "  @@"]
    assert pictures.side_by_side([["ab"], ["cd"]], ["x", "y"]) == ["x   y", "ab  cd"]


def test_mirror_images_are_asked_about_too() -> None:
    images = np.zeros((1, 1, 2, 2), np.uint8)
    images[0, 0, 0] = [1, 2]
    data = ImageDataset(images, [2], classes=("a", "b", "c"), mean=[0], std=[1 / 255])

    class Doubt(Fixed):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x) * Tensor(x.data[:, :, 0, 0])  # surer of a larger number

    assert pictures.judge(Doubt(), data).said.tolist() == [1]
    assert pictures.judge(Doubt(), data, mirrored=True).said.tolist() == [2]


def test_pictures_are_drawn_where_matplotlib_is(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    data = ImageDataset(np.zeros((2, 3, 4, 4), np.uint8), [0, 1], classes=("a", "b"))
    judgement = pictures.Judgement(data, np.array([1, 1]), np.array([1.0, 0.0]))
    path = pictures.save_png(tmp_path / "a.png", "title", judgement, np.ones((3, 3, 3, 3)))
    assert path is not None
    assert path.read_bytes()[:4] == b"\x89PNG"


# Weights that come with the package
def test_weights_that_come_with_the_package_are_small_and_say_how_they_were_made() -> None:
    for name in trained.MODELS:
        model = trained.trained(name)
        assert not model.training
        facts = trained.facts_of(name)
        assert facts["command"].startswith("tito milestone run 1998 ")
        assert float(facts["test accuracy"]) >= 0.985
        assert facts["log"]["test accuracy, digits"][-1] == pytest.approx(
            float(facts["test accuracy"]), abs=1e-4
        )
        assert (trained.HERE / f"{name}.safetensors").stat().st_size <= trained.MOST
    with pytest.raises(ValueError, match="no weights are called 'vgg'; there are lenet5"):
        trained.trained("vgg")


@needs_mnist
def test_the_weights_read_mnist_as_well_as_they_say() -> None:
    judgement = pictures.judge(trained.trained("lenet5"), MNIST("test"))
    assert f"{judgement.accuracy():.4f}" == trained.facts_of("lenet5")["test accuracy"]


def test_weights_of_a_run_that_did_not_pass_are_not_taken_over(
    tmp_path: Path, small_data: None
) -> None:
    result = run(out=tmp_path, changes={"digits.lr": 1e-9, "photographs.painted_lr": 1e-9})
    assert not result.passed
    with pytest.raises(ValueError, match="did not pass"):
        trained.take_over(tmp_path, "lenet5", tmp_path / "into")


@needs_both
def test_the_network_for_photographs_takes_cifar_as_it_comes() -> None:
    from tinytorch.arch.models import CifarCNN

    some = CIFAR10("test").get_batch(np.arange(64))[0]
    model = CifarCNN(rng=np.random.default_rng(0))
    model.whiten(some)
    assert model(Tensor(some)).shape == (64, 10)
