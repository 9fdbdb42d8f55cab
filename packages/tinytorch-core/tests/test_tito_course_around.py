"""tito init, trust, milestones, and what holds for every course command."""

import subprocess
import sys
from pathlib import Path

import pytest
from made_course import NUMBERS, Student, at_a_prompt, student_environment


@pytest.fixture
def student(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Student:
    return at_a_prompt(tmp_path, monkeypatch, capsys)


def test_outside_of_a_workspace_the_way_to_one_is_said(
    student: Student, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TINYTORCH_WORKSPACE")
    monkeypatch.chdir(tmp_path)
    for command in (["test", "21"], ["start", "21"], ["hint"], ["status"], ["reset", "21"]):
        done = student(*command)
        assert done.status == 1, command
        assert "tito init my-tinytorch" in done.err
        assert "Traceback" not in done.err
    assert "Next: tito init my-tinytorch" in student("list").out


def test_init_says_what_it_made_and_the_next_commands(
    student: Student, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TINYTORCH_WORKSPACE")
    monkeypatch.chdir(tmp_path)
    done = student("init", "two words")
    assert done.status == 0
    assert (tmp_path / "two words" / "tinytorch.toml").exists()
    assert not (tmp_path / "two words" / ".git").exists()  # nobody was there to be asked
    assert "cd 'two words'" in done.out or 'cd "two words"' in done.out
    assert "tito start" in done.out
    assert student("init", "two words").status == 1
    assert student("init", "tinytorch").status == 1
    assert student("init", "with-git", "--git").status == 0
    assert (tmp_path / "with-git" / ".git").is_dir()


def test_trust_is_for_workspaces_that_need_it(student: Student, tmp_path: Path) -> None:
    said = student("trust", str(student.root)).out
    assert "nothing to do" in " ".join(said.split())  # wherever the line is broken
    done = student("trust", str(tmp_path))
    assert done.status == 1
    assert "is no workspace" in done.err


def test_a_milestone_counts_the_students_modules_and_mine_refuses_to_borrow(
    tmp_path: Path,
) -> None:
    import tinytorch.core
    from tinytorch.course.workspace import Workspace

    workspace = Workspace.create(tmp_path / "my")
    source = Path(tinytorch.core.__path__[0], "layers.py").read_text("utf-8")
    workspace.put("core/layers.py", source)
    workspace.join("core/layers.py")

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [
                sys.executable,
                "-m",
                "tinytorch",
                "milestone",
                "run",
                "1958",
                "--recipe",
                "quick",
                *words,
            ],
            cwd=workspace.root,
            env=student_environment(tmp_path),
            capture_output=True,
            text=True,
            timeout=120,
        )

    done = run()
    assert done.returncode == 0
    assert "1 of 2 modules are yours (03)" in done.stdout
    done = run("--mine")
    assert done.returncode == 1
    assert "01 would be borrowed" in " ".join(done.stderr.split())
    assert "core/" not in done.stdout  # nothing there is doubtful
    workspace.put(
        "core/tensor.py", Path(tinytorch.core.__path__[0], "tensor.py").read_text("utf-8")
    )
    workspace.join("core/tensor.py")
    assert "core/tensor.py: it changed since it was checked. tito test 01" in run().stdout
    workspace.put("core/layers.py", source + "\nmistaken.name\n")
    done = run()
    assert done.returncode == 1
    assert "NameError: name 'mistaken' is not defined" in done.stderr
    assert "      mistaken.name\n      ^^^^^^^^" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("arguments", [[], ["list"], ["status"], ["start", "--help"]])
def test_what_is_typed_often_imports_neither_numpy_nor_rich_in_a_workspace(
    arguments: list[str], tmp_path: Path, student: Student
) -> None:
    student.numbers.parent.mkdir()
    student.numbers.write_text(NUMBERS)
    student("test", "21")
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "tinytorch", *arguments],
        env=student_environment(tmp_path / "pack"),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    seen = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert "click" in seen
    assert not {"numpy", "rich", "pytest", "pooch"} & seen


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
@pytest.mark.parametrize("arguments", [["list"], ["test", "21"], ["read", "21"], ["hint"]])
def test_no_output_encoding_breaks_a_course_command(
    encoding: str, arguments: list[str], student: Student, tmp_path: Path
) -> None:
    student("start", "21")
    done = subprocess.run(
        [sys.executable, "-m", "tinytorch", *arguments],
        env=student_environment(tmp_path / "pack", PYTHONIOENCODING=encoding),
        capture_output=True,
        timeout=120,
    )
    text = done.stdout.decode(encoding)
    assert b"Traceback" not in done.stderr
    assert len(text.splitlines()) > 2
    assert "?" not in text.replace("Can I compute with Numbers?", "").replace("4?", "").replace(
        "Why double?", ""
    ).replace("twice 2?", "")
