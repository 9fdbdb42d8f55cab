"""How the tests of every tier's checkpoints ask one: a workspace of their own, and the answer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tinytorch.course.workspace import Workspace
from tinytorch.tito import main


@pytest.fixture(name="workspace")
def asking_workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    made = Workspace.create(tmp_path / "my")
    monkeypatch.setenv("TINYTORCH_WORKSPACE", str(made.root))
    monkeypatch.setenv("TINYTORCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    for name in ("TINYTORCH_DATA", "PYTEST_ADDOPTS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(made.root)
    return made


def ask(number: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, str]]:
    """The exit status of `tito checkpoint NUMBER`, and the outcome of each sentence."""
    capsys.readouterr()
    status = main(["checkpoint", number, "--json"])
    result = json.loads(capsys.readouterr().out)["result"]
    assert not result["error"], result["error"]
    return status, {check["sentence"]: check["outcome"] for check in result["checks"]}
