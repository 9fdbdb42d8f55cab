"""A bundle on the processors of a Raspberry Pi 4 and 5, emulated, with the wheels a Pi installs."""

import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx", reason="onnx is not installed: the extra [onnx]")
onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

from bundle_helper import PHOTO_OF, digit_bundle  # noqa: E402
from emulation import PARTS, Board, NotHereError  # noqa: E402

from tinytorch.datasets.folders import cache_folder  # noqa: E402
from tinytorch.opt.deploy import contents  # noqa: E402
from tinytorch.opt.deploy.keyword_bundle import keyword_bundle  # noqa: E402

pytestmark = pytest.mark.aarch64

# one processor with the NumPy of Raspberry Pi OS 12 too
BOARDS = [*((cpu, "numpy>=2") for cpu in PARTS), ("cortex-a72", "numpy==1.24.2")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return digit_bundle(tmp_path_factory.mktemp("bundles") / "digits").folder


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return keyword_bundle(tmp_path_factory.mktemp("bundles") / "words").folder


@pytest.fixture(scope="module", params=BOARDS, ids=lambda pair: f"{pair[0]}, {pair[1]}")
def board(request: pytest.FixtureRequest) -> Board:
    kept = os.environ.get("TINYTORCH_EMULATION") or cache_folder() / "aarch64"
    try:
        made = Board(Path(kept), *request.param)
    except NotHereError as error:
        pytest.skip(f"no emulated Raspberry Pi: {error}")
    told = made.run("-c", "import platform, numpy, onnxruntime; print(platform.machine())")
    assert told.stdout == "aarch64\n", told.stderr
    return made


def test_the_self_test_passes(board: Board, folder: Path) -> None:
    told = board.run(folder / "infer.py", "--self-test", "--json")
    assert told.returncode == 0, told.stdout + told.stderr
    found = json.loads(told.stdout)
    assert len(found["checks"]) == 4
    assert found["versions"]["numpy"].startswith("1.24." if "1.24" in board.site.name else "2.")


@pytest.mark.parametrize("more", [[], ["--int8"]])
def test_it_reads_the_photograph_of_a_digit(board: Board, folder: Path, more: Any) -> None:
    told = board.run(folder / "infer.py", folder / "digit.ppm", "--json", *more)
    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout)["answer"] == str(PHOTO_OF)


@pytest.mark.parametrize("name", ["model.onnx", "model.int8.onnx"])
def test_its_scores_equal_those_of_x86_to_four_decimals(
    board: Board, folder: Path, tmp_path: Path, name: str
) -> None:
    with np.load(folder / "golden.npz") as golden:
        x = golden["input"]
    session = onnxruntime.InferenceSession(
        (folder / name).read_bytes(), providers=["CPUExecutionProvider"]
    )
    here = session.run(None, {"input": x})[0]
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import numpy, prepare\n"
        "model = prepare.Model(sys.argv[1], int8='int8' in sys.argv[2])\n"
        "x = numpy.load(sys.argv[1] + '/golden.npz')['input']\n"
        "numpy.save(sys.argv[3], model.scores(x))"
    )
    told = board.run("-c", code, folder, name, tmp_path / "scores.npy")
    assert told.returncode == 0, told.stderr
    there = np.load(io.BytesIO((tmp_path / "scores.npy").read_bytes()))
    print(f"{board.cpu} {name}: differs by {np.abs(there - here).max():.2e} at most")
    np.testing.assert_allclose(there, here, rtol=0, atol=5e-5)


def test_words_are_prepared_and_scored_alike(board: Board, words: Path) -> None:
    told = board.run(words / "infer.py", "--self-test", "--json")
    assert told.returncode == 0, told.stdout + told.stderr
    assert "preparation" in {check["check"] for check in json.loads(told.stdout)["checks"]}


def test_the_benchmark_runs(board: Board, folder: Path) -> None:
    told = board.run(folder / "benchmark.py", "--seconds", "0.2", "--json")
    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout)["runs"] > 0


def test_every_program_can_be_read_there(board: Board, folder: Path) -> None:
    names = sorted(path.name for path in contents.SCRIPTS.glob("*.py"))
    for name in ("camera.py", "microphone.py"):
        told = board.run(folder / name, "--help")
        assert told.returncode == 0, told.stderr
        assert name in names
