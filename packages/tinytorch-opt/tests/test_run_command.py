"""`tito run`: what an exported file says about pictures, and what it says when it cannot."""

import builtins
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result
from shell import runner

pytest.importorskip("onnx", reason="onnx is not installed: the extra [onnx]")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: the extra [onnx]")

from tinytorch.arch.models import CharGPT, LeNet5
from tinytorch.arch.trained import trained
from tinytorch.core.activations import Softmax
from tinytorch.core.layers import Linear, Sequential
from tinytorch.datasets import DrawnDigits
from tinytorch.opt.asking_files import shares
from tinytorch.opt.deploy.photographs import photograph
from tinytorch.opt.exporting_bundles import ppm
from tinytorch.opt.onnx import export, export_with_cache
from tinytorch.opt.preparing import Preparation
from tinytorch.opt.run_command import run as command

DIGITS = DrawnDigits("test", 40)
METADATA = {"labels": list("0123456789"), **Preparation.of(DIGITS).as_metadata()}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    x = DIGITS.get_batch([0])[0]
    export(trained("lenet5"), x, folder / "lenet5.onnx", metadata=METADATA)
    plain = {"preprocess": METADATA["preprocess"] | {"kind": "picture"}}
    export(trained("lenet5"), x, folder / "plain.onnx", metadata=METADATA | plain)
    export(LeNet5(), x, folder / "bare.onnx")
    export(LeNet5(), x, folder / "labels.onnx", metadata=METADATA | {"labels": ["yes", "no"]})
    export(LeNet5(), x, folder / "odd.onnx", metadata={"preprocess": {"size": 3}})
    export(Sequential(Linear(4, 3)), np.zeros((1, 4), np.float32), folder / "rows.onnx")
    export(Sequential(Linear(4, 3)), np.zeros((1, 2, 4), np.float32), folder / "deep.onnx")
    export_with_cache(CharGPT(), folder / "gpt.onnx")
    (folder / "no.onnx").write_bytes(b"no model")
    for i in range(len(DIGITS)):
        pgm(folder / f"{i}.pgm", DIGITS.images[i, 0])
    pgm(folder / "paper.pgm", 255 - DIGITS.images[0, 0])
    pgm(folder / "large.pgm", np.kron(DIGITS.images[0, 0], np.ones((3, 3), np.uint8)))
    pgm(folder / "empty.pgm", np.full((90, 120), 230, np.uint8))
    three = next(i for i in range(len(DIGITS)) if DIGITS.labels[i] == 3)
    ink = np.kron(DIGITS.images[three, 0], np.ones((4, 4), np.uint8)) / np.float32(255)
    (folder / "photo.ppm").write_bytes(ppm(photograph(ink, np.random.default_rng(0))))
    np.save(folder / "pixels.npy", DIGITS.images[0, 0])
    np.save(folder / "prepared.npy", DIGITS.get_batch([0, 1])[0])
    np.save(folder / "one.npy", DIGITS[0][0])
    np.save(folder / "rows.npy", np.ones((1, 4), np.float32))
    np.save(folder / "deep.npy", np.ones((1, 2, 4), np.float32))
    np.save(folder / "whole.npy", np.ones((1, 1, 28, 28), np.int64))
    np.save(folder / "nothing.npy", np.ones((0, 1, 28, 28), np.float32))
    np.save(folder / "strings.npy", np.array(["a"]))
    (folder / "text.pgm").write_text("not a picture")
    (folder / "text.npy").write_text("not an array")
    (folder / "zip.npy").write_bytes(b"PK\3\4junk")
    np.savez(folder / "two.npz", a=np.ones(3), b=np.ones(3))
    (folder / "two.npz").rename(folder / "two.npy")
    np.save(folder / "nan.npy", np.full((1, 4), np.nan, np.float32))
    np.save(folder / "large.npy", np.full((1, 4), 1e38, np.float32))
    (folder / "bundle").mkdir()
    model = Sequential(Linear(4, 3))
    model.layers[0].weight.data[:] = 1e5
    export(model, np.zeros((1, 4), np.float32), folder / "overflow.onnx")
    unsure = {"preprocess": METADATA["preprocess"] | {"reject": "often"}}
    export(LeNet5(), x, folder / "unsure.onnx", metadata=METADATA | unsure)
    return folder


def pgm(path: Path, picture: Any) -> None:
    height, width = picture.shape
    path.write_bytes(b"P5\n%d %d\n255\n" % (width, height) + picture.tobytes())


def run(folder: Path, *words: str) -> Result:
    places = [
        word if word.startswith("-") or word.isdigit() else str(folder / word) for word in words
    ]
    return runner().invoke(command, places)


def as_json(folder: Path, *words: str) -> dict[str, Any]:
    result = run(folder, *words, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_a_picture_is_answered_with_the_likeliest_classes(files: Path) -> None:
    result = run(files, "lenet5.onnx", "0.pgm")
    assert result.exit_code == 0, result.output
    logits = trained("lenet5")(DIGITS.get_batch([0])[0]).data[0].astype(np.float64)
    powers = np.exp(logits - logits.max())
    chances = powers / powers.sum()
    want = [f"{i} {100 * chances[i]:.1f} %" for i in np.argsort(-logits)[:3]]
    assert result.stdout.strip() == f"{files / '0.pgm'}: {', '.join(want)}"


def test_every_picture_gets_the_models_own_answer(files: Path) -> None:
    found = as_json(files, "lenet5.onnx", *[f"{i}.pgm" for i in range(40)], "--top", "1")
    x, _ = DIGITS.get_batch(range(40))
    want = trained("lenet5")(x).data.argmax(1)
    assert [each["top"][0]["index"] for each in found["answers"]] == list(want)
    assert [each["top"][0]["label"] for each in found["answers"]] == [str(i) for i in want]
    assert all(len(each["top"]) == 1 and not each["inverted"] for each in found["answers"])


def test_the_same_picture_in_any_form_gets_the_same_answer(files: Path) -> None:
    forms = ["0.pgm", "pixels.npy", "one.npy", "prepared.npy", "paper.pgm"]
    first, *others = as_json(files, "lenet5.onnx", *forms)["answers"]
    assert len(others) == 5  # prepared.npy holds two
    for other in [*others[:3], others[4]]:
        assert [g["index"] for g in other["top"]] == [g["index"] for g in first["top"]]
        assert other["top"][0]["probability"] == pytest.approx(first["top"][0]["probability"])
    assert others[4]["inverted"]


def test_light_and_dark_are_exchanged_as_asked_and_it_is_said(files: Path) -> None:
    said = run(files, "lenet5.onnx", "paper.pgm").stdout
    assert "light and dark were exchanged" in " ".join(said.split())
    kept = as_json(files, "lenet5.onnx", "paper.pgm", "--no-invert")["answers"][0]
    turned = as_json(files, "lenet5.onnx", "0.pgm", "--invert")["answers"][0]
    assert [g["index"] for g in kept["top"]] == [g["index"] for g in turned["top"]]
    assert kept["top"][0]["probability"] == pytest.approx(turned["top"][0]["probability"])
    assert "exchanged" not in run(files, "lenet5.onnx", "0.pgm", "--invert").stdout


def test_a_digit_is_found_on_paper(files: Path) -> None:
    result = run(files, "lenet5.onnx", "photo.ppm")
    assert result.exit_code == 0, result.output
    assert "photo.ppm: 3 " in result.stdout
    assert "looked for on paper" in " ".join(result.stdout.split())
    assert "exchanged" not in result.stdout
    (answer,) = as_json(files, "lenet5.onnx", "photo.ppm")["answers"]
    assert (answer["on_paper"], answer["inverted"]) == (True, False)
    empty = run(files, "lenet5.onnx", "empty.pgm")
    assert empty.exit_code == 1
    assert "empty.pgm: " in empty.stderr
    assert "Error: " in empty.stderr


def test_another_size_is_fitted_where_one_says_so(files: Path) -> None:
    result = run(files, "plain.onnx", "large.pgm")
    assert result.exit_code == 1
    assert "84 x 84" in result.stderr
    large, small = as_json(files, "lenet5.onnx", "large.pgm", "0.pgm", "--fit")["answers"]
    assert large["top"][0]["label"] == small["top"][0]["label"]


def test_a_png_is_read_where_pillow_is(files: Path) -> None:
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    image.fromarray(DIGITS.images[0, 0]).save(files / "0.png")
    one, other = as_json(files, "lenet5.onnx", "0.png", "0.pgm")["answers"]
    assert one["top"] == other["top"]


def test_a_file_without_labels_counts_its_classes(files: Path) -> None:
    found = as_json(files, "rows.onnx", "rows.npy")
    assert found["labels"] is None
    assert {g["label"] for g in found["answers"][0]["top"]} == {"class 0", "class 1", "class 2"}


def test_scores_that_are_probabilities_stay_so() -> None:
    rows = np.array([[0.2, 0.5, 0.3], [1.0, 0.0, 0.0]], np.float32)
    np.testing.assert_allclose(shares(rows), rows)
    np.testing.assert_allclose(shares(rows[:, :2]).sum(axis=1), 1)  # these are not
    assert shares(rows[:1, :2])[0, 0] == pytest.approx(1 / (1 + np.exp(0.3)))
    np.testing.assert_allclose(shares(np.array([[1e4, 0.0]])), [[1, 0]])


def test_a_model_that_ends_in_a_softmax_is_not_given_another(tmp_path: Path) -> None:
    model = Sequential(Linear(4, 3, rng=np.random.default_rng(0)), Softmax())
    x = np.ones((1, 4), np.float32)
    export(model, x, tmp_path / "soft.onnx")
    np.save(tmp_path / "x.npy", x)
    (answer,) = as_json(tmp_path, "soft.onnx", "x.npy")["answers"]
    chances = sorted(model(x).data[0], reverse=True)
    assert [g["probability"] for g in answer["top"]] == pytest.approx(chances, rel=1e-5)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["none.onnx", "0.pgm"], "none.onnx: there is no such file"),
        (["no.onnx", "0.pgm"], "no.onnx is no model that ONNX Runtime"),
        (["gpt.onnx", "0.pgm"], "and 6 more: here only models of one input"),
        (["odd.onnx", "0.pgm"], "its metadata say preprocess"),
        (["unsure.onnx", "0.pgm"], "its metadata say preprocess"),
        (["bundle", "0.pgm"], "bundle is a folder: name its model.onnx"),
        (["lenet5.onnx", "bundle"], "bundle is a folder: name a picture in it"),
        (["lenet5.onnx", "zip.npy"], "zip.npy: it is no .npy that can be read"),
        (["lenet5.onnx", "two.npy"], "two.npy: it holds several arrays"),
        (["rows.onnx", "nan.npy"], "nan.npy: it holds NaN or infinity"),
        (["overflow.onnx", "large.npy"], "overflow.onnx answers NaN or infinity"),
        (["lenet5.onnx", "none.pgm"], "none.pgm: there is no such file"),
        (["lenet5.onnx", "text.pgm"], "text.pgm"),
        (["lenet5.onnx", "text.npy"], "text.npy: "),
        (["lenet5.onnx", "strings.npy"], "reads float32 of shape (batch, 1, 28, 28)"),
        (["lenet5.onnx", "rows.npy"], "it is float32 of shape (1, 4)"),
        (["lenet5.onnx", "whole.npy"], "it is int64 of shape (1, 1, 28, 28)"),
        (["lenet5.onnx", "nothing.npy"], "it is float32 of shape (0, 1, 28, 28)"),
        (["bare.onnx", "0.pgm"], "does not say how a picture is prepared for it: tito export"),
        (["labels.onnx", "0.pgm"], "gives 10 scores, and names 2 labels"),
        (["deep.onnx", "deep.npy"], "is no row of scores for each picture"),
    ],
    ids=lambda v: " ".join(v) if isinstance(v, list) else "",
)
def test_what_cannot_be_answered_is_said_with_what_would_help(
    files: Path, words: list[str], said: str
) -> None:
    result = run(files, *words)
    assert result.exit_code == 1, result.output
    assert said in " ".join(result.stderr.split())
    assert isinstance(result.exception, SystemExit)  # and no other


def test_one_bad_picture_does_not_keep_the_others_from_an_answer(files: Path) -> None:
    result = run(files, "lenet5.onnx", "none.pgm", "0.pgm", "--json")
    assert result.exit_code == 1
    first, second = json.loads(result.stdout)["answers"]
    assert "no such file" in first["error"]
    assert second["top"]


def test_a_picture_must_be_named(files: Path) -> None:
    assert run(files, "lenet5.onnx").exit_code == 2


def test_without_the_runtime_one_is_told_what_to_install(
    files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def importing(name: str, *rest: Any, **how: Any) -> Any:
        if name == "onnxruntime":
            raise ModuleNotFoundError("No module named 'onnxruntime'", name=name)
        return real(name, *rest, **how)

    monkeypatch.setattr(builtins, "__import__", importing)
    result = run(files, "lenet5.onnx", "0.pgm")
    assert result.exit_code == 1
    assert 'python -m pip install "tinytorch-opt[onnx]"' in result.stderr
