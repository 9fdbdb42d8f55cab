"""What a bundle for a Raspberry Pi promises: it tests itself, answers, replaces nothing else."""

import ast
import hashlib
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx", reason="onnx is not installed: the extra [onnx]")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: the extra [onnx]")

from bundle_helper import digit_bundle, rewrite, run, small_bundle

from tinytorch.opt.deploy import contents

SCRIPTS = contents.SCRIPTS


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return digit_bundle(tmp_path_factory.mktemp("bundles") / "digits").folder


@pytest.fixture
def copy(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "copy"))


def test_a_bundle_passes_its_self_test_from_another_folder(made: Path) -> None:
    told = run(made, "infer.py", "--self-test", "--json")
    assert told.returncode == 0, told.stdout + told.stderr
    found = json.loads(told.stdout)
    assert [check["check"] for check in found["checks"]] == [
        "files", "preparation", "model.onnx", "model.int8.onnx",
    ]  # fmt: skip


def test_its_manifest_names_every_file_with_size_and_checksum(made: Path) -> None:
    manifest = json.loads((made / "MANIFEST.json").read_text())
    present = {path.name for path in made.iterdir()} - {"MANIFEST.json", "__pycache__"}
    assert set(manifest["files"]) == present
    for name, facts in manifest["files"].items():
        content = (made / name).read_bytes()
        assert facts == {
            "size": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
        }
    assert manifest["opset"] == {"model.onnx": 17, "model.int8.onnx": 17}
    assert manifest["command"] == "a test"
    assert manifest["accuracy"]["examples"] == 200
    assert manifest["accuracy"]["model.onnx"] > 0.9


@pytest.mark.parametrize("name", ["labels.json", "paper.py", "model.int8.onnx"])
def test_the_self_test_names_a_file_that_was_changed(copy: Path, name: str) -> None:
    path = copy / name
    path.write_bytes(path.read_bytes() + b"\n")
    told = run(copy, "infer.py", "--self-test")
    assert told.returncode == 1
    assert f"FAIL  files: changed or missing: {name}" in told.stdout


@pytest.mark.parametrize("name", ["model.onnx", "model.int8.onnx"])
def test_the_self_test_sees_a_model_that_scores_otherwise(copy: Path, name: str) -> None:
    onnx = pytest.importorskip("onnx")
    proto = onnx.load_from_string((copy / name).read_bytes())
    for tensor in proto.graph.initializer:
        array = onnx.numpy_helper.to_array(tensor)
        if array.dtype == np.float32 and array.size > 1:
            tensor.CopyFrom(onnx.numpy_helper.from_array(array * np.float32(1.3), tensor.name))
            break
    rewrite(copy, name, proto.SerializeToString())
    told = run(copy, "infer.py", "--self-test")
    assert told.returncode == 1
    assert f"FAIL  {name}" in told.stdout
    assert "ok    files" in told.stdout


def test_the_self_test_sees_another_preparation(copy: Path) -> None:
    facts = json.loads((copy / "preprocess.json").read_text())
    rewrite(copy, "preprocess.json", json.dumps(facts | {"mean": [0.2]}).encode())
    told = run(copy, "infer.py", "--self-test")
    assert told.returncode == 1
    assert "FAIL  preparation" in told.stdout


def test_the_programs_import_nothing_but_numpy_and_onnxruntime() -> None:
    own = {path.stem for path in SCRIPTS.glob("*.py")}
    assert {"infer", "benchmark", "camera", "microphone", "paper", "mfcc"} <= own
    for path in SCRIPTS.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in (name.split(".")[0] for name in names):
                known = name in own or name in sys.stdlib_module_names
                assert known or name in ("numpy", "onnxruntime", "PIL"), f"{path.name}: {name}"


def test_the_programs_are_copied_as_they_are(made: Path) -> None:
    for path in SCRIPTS.glob("*.py"):
        assert (made / path.name).read_bytes() == path.read_bytes()


def test_the_guide_names_every_file_and_leaves_nothing_open(made: Path) -> None:
    text = (made / "README.md").read_text("utf-8")
    assert "$" not in text
    for name in json.loads((made / "MANIFEST.json").read_text())["files"]:
        assert f"`{name}`" in text or name == "README.md"


def test_the_same_call_writes_the_same_bytes(tmp_path: Path) -> None:
    first, second = (small_bundle(tmp_path / name).manifest for name in ("a", "b"))
    assert first == second


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"labels": ["a", "b"]}, "there are 2 labels"),
        ({"preprocess": {"kind": "dog"}}, "kind 'dog'"),
        ({"preprocess": {"kind": "digit", "mean": [0], "std": [1]}}, "does not give inputs"),
        ({"preprocess": {"kind": "picture", "mean": [0, 0], "std": [1]}}, "'mean' must be 1"),
        ({"preprocess": {"kind": "picture", "mean": [0], "std": [0]}}, "above 0"),
        ({"sample": ("infer.py", b"")}, "a name that no file"),
        ({"sample": ("../x", b"")}, "a name that no file"),
    ],
)
def test_what_does_not_fit_is_refused_and_writes_nothing(
    tmp_path: Path, changes: dict[str, Any], told: str
) -> None:
    with pytest.raises(ValueError, match=told):
        small_bundle(tmp_path / "b", **changes)
    assert list(tmp_path.iterdir()) == []


def test_a_bundle_that_fails_says_what_failed(tmp_path: Path) -> None:
    made = small_bundle(tmp_path / "b")
    (made.folder / "labels.json").write_text("[]")
    with pytest.raises(RuntimeError, match=r"labels\.json"):
        made.self_test()
