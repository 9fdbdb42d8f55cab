"""The record of the machine. Left out: what the command says of it (test_bench_command)."""

import json
import os
import platform
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tinytorch.opt import environment as described
from tinytorch.opt.environment import commit, cores, cpu_model, environment


@pytest.fixture(scope="module")
def here():
    return environment()


def written(root: Path, path: str, text: str) -> Path:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(text)
    return root


def test_the_record_of_this_machine_is_json_and_says_what_is_installed(here) -> None:
    record = json.loads(json.dumps(here.record()))
    assert record["numpy"] == np.__version__
    assert record["python"] == platform.python_version()
    assert {"tinytorch-core", "tinytorch-arch"} <= set(record["tinytorch"])
    assert record["cores"] >= 1
    for part in (
        f"NumPy {np.__version__}",
        f"Python {platform.python_version()}",
        "tinytorch-core",
    ):
        assert part in here.line()


def test_it_holds_nothing_private(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = tmp_path / "secret-folder"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for name in ("USER", "LOGNAME", "HOME", "HOSTNAME", "COMPUTERNAME", "USERNAME"):
        monkeypatch.setenv(name, "secret-name")
    monkeypatch.setattr(platform, "node", lambda: "secret-host")
    found = environment()
    assert "secret" not in json.dumps(found.record()) + found.line()


def test_a_processor_is_named_as_its_system_names_it(tmp_path: Path) -> None:
    x86 = written(
        tmp_path / "x86", "proc/cpuinfo", "processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\n"
    )
    assert cpu_model(x86) == "Some CPU @ 2 GHz"
    pi = written(tmp_path / "pi", "proc/cpuinfo", "processor\t: 0\nCPU part\t: 0xd0b\n")
    written(pi, "proc/device-tree/model", "Raspberry Pi 5 Model B Rev 1.0\0")
    assert cpu_model(pi) == "Raspberry Pi 5 Model B Rev 1.0"


def test_a_machine_that_shows_nothing_is_described_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "processor", lambda: "")
    monkeypatch.setattr(described, "_said_by", lambda *command: None)
    monkeypatch.delattr(os, "getloadavg", raising=False)
    monkeypatch.delattr(os, "sysconf", raising=False)
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    bare = environment(tmp_path)
    assert (bare.cpu, bare.governor, bare.memory_bytes) == (None, None, None)
    assert (bare.commit, bare.load, bare.busy, bare.warnings) == (None, None, False, [])
    assert bare.line().startswith(platform.machine())
    json.dumps(bare.record())


@pytest.mark.parametrize(
    ("quota", "expected"), [("150000 100000", 2), ("50000 100000", 1), ("max 100000", 4), ("", 4)]
)
def test_a_container_has_as_many_cores_as_its_quota_admits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quota: str, expected: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1, 2, 3}, raising=False)
    assert cores(written(tmp_path, "sys/fs/cgroup/cpu.max", quota + "\n")) == expected


def test_a_busy_machine_is_warned_of(here) -> None:
    quiet = replace(here, load=0.5, cores=2, governor=None)
    assert not quiet.busy
    assert quiet.warnings == []
    busy = replace(quiet, load=1.5)
    assert busy.busy
    assert "1.5 programs wanted its 2 cores" in busy.warnings[0]
    assert not replace(busy, cores=8).busy


def test_a_clock_speed_that_changes_is_warned_of(here, tmp_path: Path) -> None:
    path = "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"
    assert environment(written(tmp_path, path, "powersave\n")).governor == "powersave"
    quiet = replace(here, load=0.0)
    assert replace(quiet, governor="performance").warnings == []
    assert "governor 'powersave'" in replace(quiet, governor="powersave").warnings[0]


def test_the_threads_of_openblas_are_those_it_was_asked_for() -> None:
    home = Path(np.__file__).parent
    if not [*(home.parent / "numpy.libs").glob("*openblas*"), *home.glob(".dylibs/*openblas*")]:
        pytest.skip("NumPy does not bring an OpenBLAS of its own here")
    program = "from tinytorch.opt.environment import blas_threads; print(blas_threads())"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "1"


def test_a_commit_is_named_and_whether_files_differ_from_it(tmp_path: Path) -> None:
    def git(*words: str) -> None:
        who = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        subprocess.run(["git", "-C", str(tmp_path), *who, *words], check=True, capture_output=True)

    try:
        git("init")
    except FileNotFoundError:
        pytest.skip("there is no git")
    assert commit(tmp_path) is None
    (tmp_path / "file").write_text("1")
    git("add", "file")
    git("commit", "-m", "one")
    found = commit(tmp_path)
    assert found is not None
    assert len(found) == 12
    (tmp_path / "beside").write_text("not in git")
    assert commit(tmp_path) == found
    (tmp_path / "file").write_text("2")
    assert commit(tmp_path) == found + "+"
