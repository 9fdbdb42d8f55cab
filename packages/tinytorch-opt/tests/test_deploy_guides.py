"""What the guide in a bundle says: nothing that the folder around it does not keep."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx", reason="onnx is not installed: the extra [onnx]")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: the extra [onnx]")

from bundle_helper import digit_bundle, run, small_bundle, small_model

from tinytorch.datasets.errors import DatasetMissingError
from tinytorch.opt.deploy import DIGIT_ON_PAPER, contents, keyword_bundle
from tinytorch.opt.deploy.guides import guide

KINDS = pytest.mark.parametrize("kind", ["digit", "picture", "keyword", "array"])
UNSURE = {key: value for key, value in DIGIT_ON_PAPER.items() if key != "reject"}


def text(kind: str, files: list[str], sample: str | None = None, **facts: Any) -> str:
    """A guide, its lines joined."""
    made = guide("Net", {"kind": kind, **facts}, "ab", {}, {}, {}, files, sample)
    return " ".join(made.split())


@KINDS
def test_a_folder_without_int8_is_not_told_to_run_it(kind: str) -> None:
    assert "int8" not in text(kind, ["model.onnx"])
    assert "python benchmark.py --int8" in text(kind, ["model.onnx", "model.int8.onnx"])


@KINDS
def test_a_command_names_a_file_that_is_there_or_one_that_is_said_to_be_missing(kind: str) -> None:
    without = text(kind, ["model.onnx"])
    name = re.search(r"python infer.py (?!--)(\S+)", without)
    assert name is not None
    assert f"`{name[1]}` stands for" in without
    there = text(kind, ["model.onnx", "sample.ppm"], "sample.ppm")
    assert "python infer.py sample.ppm" in there
    assert "stands for" not in there


@KINDS
def test_pillow_is_named_where_pictures_are_read(kind: str) -> None:
    needed = "python -m pip install pillow" in text(kind, ["model.onnx"])
    assert needed == (kind in ("digit", "picture"))


@KINDS
def test_a_refusal_is_promised_only_where_the_folder_has_thresholds(kind: str) -> None:
    assert "however unlikely" in text(kind, [])
    promised = text(kind, [], reject={"probability": 0.6})
    assert "must have a probability of 60% (`preprocess.json`)" in promised
    assert "a score" not in promised


def test_what_refusing_costs_is_measured_and_said(tmp_path: Path) -> None:
    made = digit_bundle(tmp_path / "b")
    with np.load(made.folder / "golden.npz") as golden:
        scores = {"model.onnx": golden["output"], "model.int8.onnx": golden["output_int8"]}
    shares = made.manifest["no_answer"]
    assert shares.keys() == scores.keys()
    text = " ".join((made.folder / "README.md").read_text().split())
    assert "a probability of 99% and a score of 9 (`preprocess.json`)" in text
    assert f"that was so for {shares['model.onnx']:.1%} with `model.onnx`" in text
    silent = digit_bundle(tmp_path / "s", preprocess=UNSURE)
    assert silent.manifest["no_answer"] == {}
    assert "must have a" not in (silent.folder / "README.md").read_text()


def test_what_is_called_unclear_is_what_the_programs_do_not_answer(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(0, 2, (8, 1, 2, 2)).astype(np.float32)
    scores = contents.scores_of(small_model(), x)
    for key, value in (("probability", 0.6), ("score", float(np.median(scores.max(axis=1))))):
        facts = {"kind": "array", "reject": {key: value}}
        folder = small_bundle(tmp_path / key, preprocess=facts).folder
        told = []
        for i, each in enumerate(x):
            np.save(tmp_path / f"{i}.npy", each)
            told.append(run(folder, "infer.py", tmp_path / f"{i}.npy").returncode == 1)
        assert 1 < sum(told) < 7
        np.testing.assert_array_equal(contents.unclear(scores, facts["reject"]), told)


def test_what_the_model_learned_from_is_said(tmp_path: Path) -> None:
    folder = small_bundle(tmp_path / "b", about="It learned from three clips.").folder
    assert "It learned from three clips. Its accuracy" in (folder / "README.md").read_text()
    assert json.loads((folder / "MANIFEST.json").read_text())["no_answer"] == {}


def test_the_command_for_words_says_what_they_learned_from_and_what_is_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing() -> Any:
        raise DatasetMissingError("no clips")

    monkeypatch.setattr(keyword_bundle, "Clips", missing)
    folder = tmp_path / "w"
    assert keyword_bundle.main([str(folder)]) == 0
    assert f"Next: {folder}/README.md" in capsys.readouterr().out
    text = (folder / "README.md").read_text()
    assert "It learned from 3,840 clips of one second, and knew 86.00% of 1,050 clips of" in text
    (folder / "camera.py").write_text("mine")
    assert keyword_bundle.main([str(folder)]) == 1
    assert "camera.py changed since the bundle was written. --force" in capsys.readouterr().err
    assert keyword_bundle.main([str(folder), "--force"]) == 0
    assert "camera.py had been changed: it is kept as camera.py.bak" in capsys.readouterr().out
    assert (folder / "camera.py.bak").read_text() == "mine"
