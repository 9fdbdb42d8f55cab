"""tito as a whole: what it prints where, its exit statuses, and that it starts quickly.

Left out: its groups of commands (test_tito_data, test_tito_doctor, test_milestones).
"""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from tito_shell import environment, pretend_installed, tito

from tinytorch.tito import main
from tinytorch.tito.app import tito as app
from tinytorch.tito.milestone import runs


def imported(*arguments: str, cwd: Path) -> set[str]:
    """The top-level packages that one command imports."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "tinytorch", *arguments],
        cwd=cwd,
        env=environment(cwd),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}


@pytest.mark.parametrize(
    "arguments", [[], ["--help"], ["milestone", "list"], ["milestone", "--help"]]
)
def test_what_is_typed_often_imports_neither_numpy_nor_rich(
    arguments: list[str], tmp_path: Path
) -> None:
    seen = imported(*arguments, cwd=tmp_path)
    assert "click" in seen
    assert not {"numpy", "rich", "pooch"} & seen


def test_tito_alone_says_where_you_are_and_one_next_command(tmp_path: Path) -> None:
    done = tito(cwd=tmp_path)
    assert done.returncode == 0
    assert "tinytorch-core: modules 01-08" in done.stdout
    assert "MNIST is not on this machine yet (11.6 MB to fetch)" in done.stdout
    assert done.stdout.count("Next: ") == 1
    assert "Next: tito init my-tinytorch" in done.stdout


def test_tito_alone_sends_whoever_misspelt_the_data_folder_to_the_doctor(tmp_path: Path) -> None:
    done = tito(cwd=tmp_path, TINYTORCH_DATA=str(tmp_path / "nowhere"))
    assert done.returncode == 0
    assert "nowhere" in done.stdout
    assert "Next: tito doctor" in done.stdout


def test_help_names_every_command_with_a_sentence() -> None:
    result = CliRunner().invoke(app, ["--help"])
    assert result.exit_code == 0
    for name in ("milestone", "data", "info", "doctor"):
        [line] = [line for line in result.output.splitlines() if line.startswith(f"  {name} ")]
        assert len(line.split()) > 3


def test_a_misspelt_command_is_wrong_usage_and_the_right_one_is_proposed() -> None:
    assert main(["milestones"]) == 2
    result = CliRunner().invoke(app, ["milestones"])
    assert result.exit_code == 2
    assert "Did you mean milestone?" in result.output


def test_info_gives_programs_versions_and_places_as_json(tmp_path: Path) -> None:
    done = tito("info", "--json", cwd=tmp_path, TINYTORCH_DATA=str(tmp_path))
    facts = json.loads(done.stdout)
    assert set(facts["distributions"]) == {
        "tinytorch-core",
        "tinytorch-arch",
        "tinytorch-opt",
        "tinytorch-olympics",
    }
    assert facts["distributions"]["tinytorch-core"]
    assert facts["places"]["TINYTORCH_DATA"] == str(tmp_path)
    assert facts["places"]["cache"] == str(tmp_path / "cache")
    assert facts["data"]["drawn-digits"] == "built in"
    assert facts["data"]["mnist"] == "absent"


def test_info_for_people_says_what_is_not_installed(tmp_path: Path) -> None:
    pretend_installed(tmp_path, "tinytorch-arch", "0.7.1")
    done = tito("info", cwd=tmp_path, PYTHONPATH=str(tmp_path))
    assert "tinytorch-arch      0.7.1" in done.stdout
    assert "numpy" in done.stdout


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
@pytest.mark.parametrize(
    "arguments", [["milestone", "run", "1969", "--recipe", "quick"], ["data", "list"], ["doctor"]]
)
def test_no_output_encoding_breaks_a_command(
    encoding: str, arguments: list[str], tmp_path: Path
) -> None:
    done = tito(*arguments, cwd=tmp_path, PYTHONIOENCODING=encoding)
    assert done.returncode == 0, done.stderr
    if encoding == "ascii":
        assert done.stdout.isascii()
        assert "?" not in done.stdout  # nothing was given up


def test_an_error_is_one_sentence_and_full_shows_where(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise ZeroDivisionError("division by zero in a test")

    monkeypatch.setattr("tinytorch.tito.home.show", fail)
    assert main([]) == 1
    error = capsys.readouterr().err
    assert error.startswith("tito: ZeroDivisionError: division by zero in a test\n")
    assert "tito --full" in error
    assert "Traceback" not in error
    with pytest.raises(ZeroDivisionError):
        main(["--full"])


def test_ctrl_c_within_a_command_is_quiet_and_exits_with_130(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("tinytorch.tito.home.show", interrupt)
    assert main([]) == 130
    captured = capsys.readouterr()
    assert (captured.out + captured.err).strip() == ""


def test_ctrl_c_before_any_command_is_found_exits_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(given: list[str]) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("tinytorch.tito._run", interrupt)
    assert main([]) == 130


# a program started in the background is born deaf to Ctrl-C; this one listens
LISTENING = """
import runpy, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
runpy.run_module("tinytorch", run_name="__main__", alter_sys=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="sends a POSIX signal")
@pytest.mark.parametrize(
    ("arguments", "awaited"),
    [
        (["1986", "--data", "drawn", "--epochs", "1000"], "    1  "),
        (["1969", "--set", "seeds=100000"], "Data: XOR"),
    ],
)
def test_ctrl_c_during_a_milestone_shows_no_traceback(
    arguments: list[str], awaited: str, tmp_path: Path
) -> None:
    with subprocess.Popen(
        [sys.executable, "-u", "-c", LISTENING, "milestone", "run", *arguments],
        cwd=tmp_path,
        env=environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        for line in process.stdout:
            if line.startswith(awaited):
                break
        process.send_signal(signal.SIGINT)
        try:
            rest, error = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 130
    assert "Traceback" not in rest + error
    assert "Milestone" not in rest


@pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX pipe")
def test_a_reader_that_goes_away_causes_no_complaint(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "tinytorch", "data", "list"],
        cwd=tmp_path,
        env=environment(tmp_path),
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
        timeout=120,
    )
    os.close(write)
    assert done.stderr == ""
    assert done.returncode == 1


def test_a_milestone_lists_exactly_the_modules_that_are_at_work() -> None:
    assert runs(("01", "03")) == "01, 03"
    assert runs(("01", "02", "03", "04", "06", "07")) == "01-04, 06, 07"
    assert runs(("09", "10", "11")) == "09-11"
