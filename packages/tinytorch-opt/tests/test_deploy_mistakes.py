"""The programs of a bundle where something is wrong: said in one line, with what would help."""

import io
import json
import shutil
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx", reason="onnx is not installed: the extra [onnx]")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: the extra [onnx]")

from bundle_helper import PHOTO_OF, digit_bundle, rewrite, run, small_bundle
from shell import runner

from tinytorch.core.activations import Softmax
from tinytorch.core.layers import Linear, Sequential
from tinytorch.datasets import DrawnDigits
from tinytorch.nn import Flatten
from tinytorch.opt.deploy import bundle
from tinytorch.opt.deploy.keyword_bundle import keyword_bundle
from tinytorch.opt.run_command import run as tito_run

PROGRAMS = "infer.py", "benchmark.py", "camera.py", "microphone.py"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return digit_bundle(tmp_path_factory.mktemp("bundles") / "digits").folder


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return keyword_bundle(tmp_path_factory.mktemp("bundles") / "words").folder


@pytest.fixture
def copy(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "copy"))


def wav(samples: Any) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(16_000)
        out.writeframes(np.asarray(samples, "<i2").tobytes())
    return file.getvalue()


def lose(folder: Path, module: str) -> None:
    """Let `import module` fail in the programs of a folder, which look there first."""
    text = f'raise ModuleNotFoundError("No module named {module!r}", name={module!r})\n'
    (folder / f"{module}.py").write_text(text)


def refused(folder: Path, *words: Any) -> str:
    """What a program says where it answers nothing: one line, and exit code 2."""
    ran = run(folder, *words)
    assert ran.returncode == 2, ran.stdout + ran.stderr
    assert ran.stdout == ""
    assert ran.stderr.count("\n") == 1, ran.stderr
    return ran.stderr


# What is not installed, or not in the folder
@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("module", ["numpy", "onnxruntime"])
def test_without_what_it_needs_it_says_how_to_install_it(
    copy: Path, program: str, module: str
) -> None:
    lose(copy, module)
    told = refused(copy, program)
    assert told.startswith(f"{program}: No module named '{module}'")
    assert "python -m pip install -r requirements.txt (is .venv active?)" in told


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_that_is_missing_is_copied_again(copy: Path, program: str) -> None:
    (copy / "paper.py").unlink()
    assert "'paper': a file of this folder is missing; copy" in refused(copy, program)


@pytest.mark.parametrize("content", [None, b"{", b"[]", b'{"files": {"model.onnx": 3}}'])
def test_a_self_test_without_its_list_of_files_fails(copy: Path, content: bytes | None) -> None:
    (copy / "MANIFEST.json").unlink()
    if content is not None:
        (copy / "MANIFEST.json").write_bytes(content)
    ran = run(copy, "infer.py", "--self-test")
    assert (ran.returncode, ran.stderr) == (1, "")
    assert "FAIL  files: MANIFEST.json" in ran.stdout


@pytest.mark.parametrize("content", [None, b"junk", b"PK\3\4junk", b""])
def test_damaged_examples_are_told(copy: Path, content: bytes | None) -> None:
    (copy / "golden.npz").unlink()
    if content is not None:
        (copy / "golden.npz").write_bytes(b"")
        rewrite(copy, "golden.npz", content)
        ran = run(copy, "infer.py", "--self-test")
        assert (ran.returncode, ran.stderr) == (1, "")
        assert "FAIL  golden.npz" in ran.stdout
    told = refused(copy, "benchmark.py", "--seconds", 0.01)
    assert "golden.npz is missing or damaged" in told


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("preprocess.json", None, "preprocess.json is missing or damaged"),
        ("preprocess.json", b"{", "preprocess.json is missing or damaged"),
        ("preprocess.json", b'{"kind": "cat"}', "lacks shape, mean, std"),
        ("preprocess.json", b'{"kind": "cat", "shape": [], "mean": [], "std": []}', "kind 'cat'"),
        ("labels.json", b"3", "labels.json must hold a list"),
        ("model.onnx", None, "model.onnx is not in this folder: copy the whole folder again"),
    ],
)
def test_a_damaged_folder_is_told(copy: Path, name: str, content: bytes | None, said: str) -> None:
    (copy / name).unlink()
    if content is not None:
        (copy / name).write_bytes(content)
    assert said in refused(copy, "infer.py", copy / "digit.ppm")


# Files that are not what they should be
def test_arrays_that_are_none_are_told(made: Path, tmp_path: Path) -> None:
    nan = np.zeros((1, 1, 28, 28), np.float32)
    nan[0, 0, 3, 4] = np.nan
    (tmp_path / "zip.npy").write_bytes(b"PK\3\4junk")
    np.savez(tmp_path / "two.npz", a=np.ones(3), b=np.ones(3))
    (tmp_path / "two.npz").rename(tmp_path / "two.npy")
    np.save(tmp_path / "nan.npy", nan)
    np.save(tmp_path / "empty.npy", np.zeros((0, 1, 28, 28), np.float32))
    np.save(tmp_path / "wrong.npy", np.zeros((3, 32, 32), np.float32))
    np.save(tmp_path / "text.npy", np.array(["a"]))
    (tmp_path / "nothing.npy").write_bytes(b"")
    for name, said in {
        "zip": "is no .npy file that can be read",
        "nothing": "is no .npy file that can be read",
        "two": "holds several arrays",
        "nan": "holds NaN or infinity",
        "empty": "holds nothing: its shape is (0, 1, 28, 28)",
        "wrong": "float32 (3, 32, 32): this model reads (1, 28, 28), float32, or a picture",
        "text": "numbers are wanted",
    }.items():
        assert said in refused(made, "infer.py", tmp_path / f"{name}.npy")


def test_a_picture_is_known_by_its_first_bytes(copy: Path, tmp_path: Path) -> None:
    (tmp_path / "text.png").write_bytes(b"some text")
    (tmp_path / "real.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    lose(copy, "PIL")
    assert "is no picture: it begins with b'some tex'" in refused(
        copy, "infer.py", tmp_path / "text.png"
    )
    told = refused(copy, "infer.py", tmp_path / "real.png")
    assert "is PNG: without Pillow" in told
    assert "python -m pip install pillow" in told


def test_light_on_dark_is_named_and_can_be_turned_over(made: Path, tmp_path: Path) -> None:
    digits = DrawnDigits("test", 40)
    four = digits.images[list(digits.labels).index(PHOTO_OF), 0]
    large = np.kron(four, np.ones((6, 6), np.uint8))
    for name, picture in {"small": four, "large": np.pad(large, 40)}.items():
        np.save(tmp_path / f"{name}.npy", picture)
        ran = run(made, "infer.py", tmp_path / f"{name}.npy")
        assert ran.returncode == 1
        assert "light on dark: dark ink on bright paper is wanted; --invert" in ran.stdout
        ran = run(made, "infer.py", "--json", "--invert", tmp_path / f"{name}.npy")
        assert json.loads(ran.stdout)["guess"] == str(PHOTO_OF)
    np.save(tmp_path / "dark.npy", np.full((90, 90), 20, np.uint8))
    assert "nothing is there" in run(made, "infer.py", tmp_path / "dark.npy").stdout
    np.save(tmp_path / "x.npy", np.zeros((1, 28, 28), np.float32))
    assert "turns a picture over" in refused(made, "infer.py", "--invert", tmp_path / "x.npy")


def test_a_camera_is_for_models_that_read_pictures(words: Path, tmp_path: Path) -> None:
    for folder in (words, small_bundle(tmp_path / "small").folder):
        assert "reads no pictures: try infer.py" in refused(folder, "camera.py")


# Recordings
def test_what_is_not_looked_at_in_a_recording_is_said(words: Path, tmp_path: Path) -> None:
    sound = np.random.default_rng(0).normal(0, 3000, 80_000).astype(np.int16)
    whole = wav(sound[:16_000])
    for name, content, said in [
        ("one", whole, None),
        ("long", wav(sound), "looked at the first second of 5.0; microphone.py FILE looks at all"),
        ("short", wav(sound[:4000]), "it ends early, after 0.25 s"),
        ("cut", whole[: 44 + 8001], "it ends early, after 0.25 s"),
    ]:
        (tmp_path / f"{name}.wav").write_bytes(content)
        found = json.loads(run(words, "infer.py", "--json", tmp_path / f"{name}.wav").stdout)
        assert said is None or said in found["note"]
        assert said is not None or "note" not in found
        assert (said or "") in run(words, "infer.py", tmp_path / f"{name}.wav").stdout


def test_silence_is_silence_by_either_program(words: Path, tmp_path: Path) -> None:
    (tmp_path / "s.wav").write_bytes(wav(np.full(16_000, 9)))
    told = [
        run(words, *way, tmp_path / "s.wav").stdout
        for way in (["infer.py"], ["microphone.py", "--all"])
    ]
    assert told == ["silence  (100.0%)\n"] * 2


def test_a_recording_of_nothing_is_told(words: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.wav").write_bytes(wav([]))
    assert "holds no sound" in refused(words, "infer.py", tmp_path / "empty.wav")
    (tmp_path / "cut.wav").write_bytes(wav([1, 2])[:30])
    assert "can be read: it ends early" in refused(words, "infer.py", tmp_path / "cut.wav")


# Answers
def test_several_examples_have_an_answer_each(made: Path, tmp_path: Path) -> None:
    with np.load(made / "golden.npz") as golden:
        x, scores = golden["input"][:3], golden["output"][:3]
    np.save(tmp_path / "x.npy", x)
    found = json.loads(run(made, "infer.py", "--json", "--scores", tmp_path / "x.npy").stdout)
    np.testing.assert_allclose([each["scores"] for each in found], scores, atol=1e-3)
    lines = run(made, "infer.py", tmp_path / "x.npy").stdout.splitlines()
    assert [line[:4] for line in lines] == ["[0] ", "[1] ", "[2] "]


def test_an_unclear_score_is_no_answer_to_tito_run_either(tmp_path: Path) -> None:
    """Each threshold, in the same words as infer.py has."""
    x = np.array([[1, 2, 3, 0]], np.float32).reshape(1, 1, 2, 2)
    model = Sequential(Flatten(), Linear(4, 4, rng=np.random.default_rng(0)))
    model.layers[1].weight.data = np.eye(4, dtype=np.float32)  # 64 % for the third
    model.layers[1].bias.data = np.zeros(4, np.float32)
    np.save(tmp_path / "x.npy", x)
    facts = {"kind": "picture", "mean": [0.0], "std": [1.0]}
    for reject, said in [
        ({"probability": 0.6, "score": 2.9}, None),
        ({"probability": 0.65}, "not sure enough: 64.39%, and 65.00% is wanted"),
        ({"score": 3.5}, "not sure enough: its score is 3.000, and 3.500 is wanted"),
    ]:
        made = bundle(
            model,
            tmp_path / f"b{len(str(said))}",
            example=x,
            labels="abcd",
            preprocess=facts | {"reject": reject},
        ).folder
        one = run(made, "infer.py", "--json", tmp_path / "x.npy")
        words = [str(made / "model.onnx"), str(tmp_path / "x.npy")]
        two = runner().invoke(tito_run, [*words, "--json"])
        assert one.returncode == two.exit_code == (0 if said is None else 1)
        first, second = json.loads(one.stdout), json.loads(two.stdout)["answers"][0]
        assert first["why"] == second["why"] == said
        assert first["answer"] == second["answer"] == (None if said else "c")
        assert first["guess"] == second["top"][0]["label"] == "c"
        if said:
            assert f"no answer: {said} (c 64.4 %, " in runner().invoke(tito_run, words).stdout


def test_probabilities_are_not_made_probabilities_again(tmp_path: Path) -> None:
    x = np.array([[1, 2, 3, 0]], np.float32).reshape(1, 1, 2, 2)
    layers = Flatten(), Linear(4, 3, rng=np.random.default_rng(0)), Softmax()
    folder = small_bundle(tmp_path / "soft", model=Sequential(*layers), example=x).folder
    np.save(tmp_path / "x.npy", x)
    found = json.loads(run(folder, "infer.py", "--json", "--scores", tmp_path / "x.npy").stdout)
    assert found["probability"] == pytest.approx(max(found["scores"]))


def test_scores_that_are_no_numbers_are_no_answer(tmp_path: Path) -> None:
    model = Sequential(Flatten(), Linear(4, 3, rng=np.random.default_rng(0)))
    model.layers[1].weight.data[:] = 1e5
    folder = small_bundle(tmp_path / "over", model=model).folder
    np.save(tmp_path / "x.npy", np.full((1, 2, 2), 1e38, np.float32))
    ran = run(folder, "infer.py", tmp_path / "x.npy")
    assert (ran.returncode, ran.stderr) == (1, "")
    assert ran.stdout == "no answer: the model's scores are no numbers\n"
