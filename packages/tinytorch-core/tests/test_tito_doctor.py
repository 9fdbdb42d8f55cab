"""`tito doctor` finds each problem it knows, made to happen here, and names what mends it.

Distributions are pretended by dist-info folders on PYTHONPATH, in a process of its own.
"""

import json
import shutil
from collections import namedtuple
from importlib.metadata import version
from pathlib import Path

import pytest
from tito_shell import pretend_installed, tito

from tinytorch.tito import health, main

CORE = ("tinytorch-core", version("tinytorch-core"))


def problems(folder: Path, *python: str, **variables: str) -> list[tuple[str, str]]:
    """What the doctor complains of, with its repair; the exit status must fit."""
    done = tito("doctor", "--json", cwd=folder, python=python, **variables)
    findings = json.loads(done.stdout or "null")
    assert findings, done.stderr
    found = [(entry["found"], entry["repair"]) for entry in findings if not entry["ok"]]
    assert done.returncode == (1 if found else 0)
    return found


def test_where_all_is_well_it_says_what_it_found_and_exits_with_0(tmp_path: Path) -> None:
    done = tito("doctor", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    lines = done.stdout.splitlines()
    assert lines[-1] == "All is well."
    for beginning in ("Python 3.", "NumPy 2.", "BLAS threads: ", "tinytorch-core 0."):
        assert any(line.startswith(f"ok       {beginning}") for line in lines)
    assert not any(line.startswith("problem") for line in lines)


def test_a_problem_is_shown_with_the_command_that_mends_it(tmp_path: Path) -> None:
    done = tito("doctor", cwd=tmp_path, TINYTORCH_DATA=str(tmp_path / "gone"))
    assert done.returncode == 1
    assert "problem  TINYTORCH_DATA names" in done.stdout
    assert "         mend it: unset TINYTORCH_DATA" in done.stdout
    assert done.stdout.endswith("1 problem\n")


def test_a_data_folder_is_shown_with_the_data_sets_in_it_and_is_a_problem_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TINYTORCH_DATA", str(tmp_path))
    [finding] = health.data_folder()
    assert not finding.ok
    assert finding.found.startswith(f"TINYTORCH_DATA is {tmp_path}, which lacks all 4 files of mn")
    assert finding.found.endswith("Nor does it hold fashion-mnist or cifar-10 or tinyshakespeare")
    assert finding.repair == "unset TINYTORCH_DATA"
    (tmp_path / "input.txt").touch()
    [finding] = health.data_folder()
    assert finding.ok
    assert finding.found == f"TINYTORCH_DATA: {tmp_path}, with tinyshakespeare"


@pytest.mark.parametrize("provides", ["tinytorch", "something_else"])
def test_a_foreign_distribution_called_tinytorch_is_named_and_removed(
    provides: str, tmp_path: Path
) -> None:
    pretend_installed(tmp_path, "tinytorch", "0.1.8", top_level_txt=f"{provides}\n")
    [(found, repair)] = problems(tmp_path, PYTHONPATH=str(tmp_path))
    assert "'tinytorch' (0.1.8) is not part of this project" in found
    uninstall, _, again = repair.partition(" && ")
    assert uninstall.endswith("-m pip uninstall --yes tinytorch")
    assert "pip install --force-reinstall --no-deps" in again  # it took files of ours along


def test_a_foreign_distribution_of_another_name_is_found_by_the_package_it_provides(
    tmp_path: Path,
) -> None:
    pretend_installed(tmp_path, "torch-but-tiny", "2.0", top_level_txt="tinytorch\n")
    [(found, _)] = problems(tmp_path, PYTHONPATH=str(tmp_path))
    assert "'torch-but-tiny' (2.0)" in found


def test_a_course_pack_that_announces_itself_is_no_stranger(tmp_path: Path) -> None:
    (tmp_path / "pack.py").write_text(
        "from tinytorch.course.tiers import Tier\nTIER = Tier('pack', 'course-pack', '')", "utf-8"
    )
    pretend_installed(
        tmp_path,
        "course-pack",
        "1.0",
        top_level_txt="tinytorch\n",
        entry_points_txt="[tinytorch.tiers]\npack = pack:TIER\n",
    )
    assert problems(tmp_path, PYTHONPATH=str(tmp_path)) == []


def test_a_tier_outside_its_range_is_named_with_both_versions(tmp_path: Path) -> None:
    pretend_installed(
        tmp_path,
        "tinytorch-olympics",  # the last tier: no other complains of its version
        "9.0",
        metadata=("Requires-Dist: tinytorch-core<0.1,>=0.0.1",),
    )
    [(found, repair)] = problems(tmp_path, PYTHONPATH=str(tmp_path))
    assert found == (
        f"tinytorch-olympics 9.0 needs tinytorch-core<0.1,>=0.0.1; {CORE[1]} is installed"
    )
    assert repair.endswith("pip install --upgrade 'tinytorch-core<0.1,>=0.0.1'")


def test_a_requirement_that_is_not_installed_is_named(tmp_path: Path) -> None:
    needs = "Requires-Dist: surely-not-there>=2"
    pretend_installed(tmp_path, "tinytorch-opt", "0.1.0", metadata=(needs,))
    [(found, repair)] = problems(tmp_path, PYTHONPATH=str(tmp_path))
    assert found == "tinytorch-opt 0.1.0 needs surely-not-there>=2; it is not installed"
    assert repair.endswith("pip install --upgrade 'surely-not-there>=2'")


def test_what_only_an_extra_needs_is_not_missed(tmp_path: Path) -> None:
    needs = 'Requires-Dist: surely-not-there; extra == "plots"'
    pretend_installed(tmp_path, "tinytorch-opt", "0.1.0", metadata=(needs,))
    assert problems(tmp_path, PYTHONPATH=str(tmp_path)) == []


def test_a_python_older_than_what_is_needed_is_named(tmp_path: Path) -> None:
    pretend_installed(tmp_path, *CORE, metadata=("Requires-Python: >=3.99",))
    [(found, repair)] = problems(tmp_path, PYTHONPATH=str(tmp_path))
    assert "needs >=3.99" in found
    assert "newer Python" in repair


def test_files_that_changed_since_the_installation_are_named(tmp_path: Path) -> None:
    record = "tinytorch/__init__.py,sha256=AAAA,3\ntinytorch/nn.py,sha256=BBBB,3\n"
    pretend_installed(tmp_path, *CORE, RECORD=record)
    [(found, repair)] = problems(tmp_path, PYTHONPATH=str(tmp_path))
    assert found.startswith("2 files of tinytorch-core changed or vanished")
    assert "tinytorch/__init__.py" in found
    assert repair.endswith("pip install --force-reinstall --no-deps tinytorch-core")


def test_the_repair_installs_from_where_the_tier_came(tmp_path: Path) -> None:
    origin = '{"url": "file:///somewhere/packages/tinytorch-core", "dir_info": {"editable": true}}'
    pretend_installed(
        tmp_path, *CORE, RECORD="gone.py,sha256=AAAA,3\n", **{"direct_url.json": origin}
    )
    [(_, repair)] = problems(tmp_path, PYTHONPATH=str(tmp_path))
    assert repair.endswith("--no-deps -e /somewhere/packages/tinytorch-core")


@pytest.mark.parametrize("shadow", ["tinytorch/__init__.py", "tinytorch.py", "numpy.py"])
def test_a_file_in_the_current_folder_that_hides_a_package_is_named(
    shadow: str, tmp_path: Path
) -> None:
    (tmp_path / shadow).parent.mkdir(exist_ok=True)
    (tmp_path / shadow).touch()
    [(found, repair)] = problems(tmp_path, "-P")
    name = shadow.partition("/")[0]
    assert found.startswith(str(tmp_path / name))
    assert repair == f"mv {name} my_{name}"


def test_a_folder_without_an_init_hides_nothing(tmp_path: Path) -> None:
    (tmp_path / "tinytorch").mkdir()
    assert problems(tmp_path) == []


def test_a_numpy_that_cannot_be_imported_is_named_and_nothing_else_breaks(tmp_path: Path) -> None:
    (tmp_path / "path" / "numpy").mkdir(parents=True)
    (tmp_path / "path" / "numpy" / "__init__.py").write_text("raise ImportError('broken DLL')")
    [(found, repair)] = problems(tmp_path, PYTHONPATH=str(tmp_path / "path"))
    assert found == "NumPy cannot be imported: broken DLL"
    assert repair.endswith("pip install --force-reinstall 'numpy>=2.0'")


def test_a_numpy_of_the_first_series_is_too_old(tmp_path: Path) -> None:
    (tmp_path / "path" / "numpy").mkdir(parents=True)
    (tmp_path / "path" / "numpy" / "__init__.py").write_text("__version__ = '1.26.4'")
    [(found, repair)] = problems(tmp_path, PYTHONPATH=str(tmp_path / "path"))
    assert found == "NumPy 1.26.4; needs >=2.0"
    assert repair.endswith("pip install --upgrade 'numpy>=2.0'")


def test_a_number_of_threads_that_is_none_is_named(tmp_path: Path) -> None:
    [(found, repair)] = problems(tmp_path, OMP_NUM_THREADS="many", OPENBLAS_NUM_THREADS="")
    assert "OMP_NUM_THREADS=many" in found
    assert repair.startswith("export OMP_NUM_THREADS=")


def test_the_variable_that_limits_the_threads_is_told(tmp_path: Path) -> None:
    done = tito("doctor", cwd=tmp_path, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="")
    assert "ok       BLAS threads: OMP_NUM_THREADS=1, on " in done.stdout


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    folder = str(tmp_path / "file" / "cache")
    [(found, repair)] = problems(tmp_path, TINYTORCH_CACHE=folder)
    assert found.startswith(f"the cache {folder} cannot be written: ")
    assert repair.startswith("export TINYTORCH_CACHE=")


def test_a_full_disk_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setenv("TINYTORCH_CACHE", str(tmp_path))
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(10**9, 9 * 10**8, 10**8))
    writable, disk = health.cache()
    assert writable.ok
    assert not disk.ok
    assert disk.found == "0.1 GB free there; 0.5 GB are needed"
    assert disk.repair == "export TINYTORCH_CACHE=/a/larger/disk/tinytorch"


def test_a_check_that_breaks_does_not_stop_the_others(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken() -> None:
        raise RuntimeError("in a test")

    monkeypatch.setattr(health, "CHECKS", (broken, *health.CHECKS))
    assert main(["doctor"]) == 1
    shown = capsys.readouterr().out
    assert "problem  could not look at broken: RuntimeError: in a test" in shown
    assert "ok       NumPy 2." in shown
