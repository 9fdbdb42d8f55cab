"""A student at a real terminal, from an empty folder to a milestone with two modules of their own.

They work on lessons 01 and 06, type commands and save files; the reference plays their good ideas.
"""

import re
import sys
from pathlib import Path

import pytest
from made_course import SOLVED, install, student_environment, write_workspace

import tinytorch.core

if sys.platform == "win32":
    pytest.skip("Windows has no pseudo-terminal", allow_module_level=True)

from terminal import Terminal

CORE = Path(tinytorch.core.__path__[0])
TENSOR = (CORE / "tensor.py").read_text("utf-8")
AUTOGRAD = (CORE / "autograd.py").read_text("utf-8")


def test_a_student_builds_two_modules_and_trains_with_them(tmp_path: Path) -> None:
    with Terminal(tmp_path, student_environment(tmp_path)) as terminal:
        run = terminal.run
        status, said = run("tito init", (r"git init.*\]: ", "y\r"))
        assert status == 0
        assert "tito start 01" in said
        assert (tmp_path / "my-tinytorch" / ".git").is_dir()
        run("cd my-tinytorch")
        tensor = tmp_path / "my-tinytorch" / "core" / "tensor.py"
        autograd = tensor.with_name("autograd.py")

        status, said = run("tito start 01")
        assert status == 0
        assert "NotImplementedError" in tensor.read_text("utf-8")
        assert "tito read 01" in said

        status, said = run("tito test 01")
        assert status == 1
        assert "not written" in said
        assert "0 of " in said
        first = re.search(r"To write next: (\w+)", said)
        assert first is not None
        status, said = run("tito hint")
        assert status == 0
        assert f"{first[1]}: hint 1 of" in said

        wrong = TENSOR.replace("return x + y", "return x - y")
        assert wrong != TENSOR
        tensor.write_text(wrong, "utf-8")
        status, said = run("tito test 01 add")
        assert status == 1
        assert "add: wrong" in said
        assert "expected  " in said
        assert run("tito complete 01")[0] == 1

        tensor.write_text(TENSOR, "utf-8")
        status, said = run("tito test 01")
        assert status == 0
        assert "Next: tito complete 01" in said
        status, said = run("tito complete 01")
        assert status == 0
        assert "01 Tensor has joined your framework" in said
        assert "ratio" in said  # timed beside the reference
        assert re.search(r"1 of \d+ modules are yours", said)  # whatever tiers there are

        status, said = run("tito start 06")
        assert status == 0
        assert "the installed reference serves" in " ".join(said.split())
        autograd.write_text(AUTOGRAD, "utf-8")
        assert run("tito complete 06")[0] == 0

        autograd.write_text(AUTOGRAD.replace("def unbroadcast(", "def unbroadcast(("), "utf-8")
        status, said = run("tito test")
        assert status == 1
        assert "SyntaxError" in said
        assert re.search(r"core/autograd\.py, line \d+\n +def unbroadcast\(\(.*\n +\^", said)
        status, said = run("tito list")
        assert "broken" in said

        line = "    added = g.ndim - len(shape)\n"
        assert line in AUTOGRAD
        autograd.write_text(AUTOGRAD.replace(line, "    while True:\n        pass\n"), "utf-8")
        status, said = run("tito test 06 unbroadcast")
        assert status == 1
        assert "is there a loop that never ends?" in said

        status, said = run("tito reset 06 unbroadcast")
        assert status == 0
        assert "tito undo 06" in said
        assert 'raise NotImplementedError("06 · unbroadcast")' in autograd.read_text("utf-8")
        assert run("tito undo 06")[0] == 0
        assert "while True" in autograd.read_text("utf-8")
        autograd.write_text(AUTOGRAD, "utf-8")
        assert run("tito complete 06")[0] == 0

        status, said = run("tito milestone run 1986 --recipe quick --data drawn")
        assert status == 0
        assert "2 of 8 modules are yours (01, 06)" in " ".join(said.split())
        assert run("tito milestone run 1986 --mine")[0] == 1


@pytest.fixture
def watched(tmp_path: Path):
    """A terminal in a workspace whose made/numbers.py is half done, and that file."""
    pack = install(tmp_path)
    text = SOLVED.replace("return helper(x) + x", 'raise NotImplementedError("21 · double")')
    root = write_workspace(tmp_path / "my", numbers=text)
    with Terminal(root, student_environment(pack)) as terminal:
        yield terminal, root / "made" / "numbers.py"


def shows(terminal: Terminal, text: str) -> None:
    """Wait until watch shows a text and then asks for a key: a slow machine may ask in between."""
    terminal.until(text + r"[\s\S]*?\[q\]uit")


def test_watch_tests_on_every_save_and_answers_to_single_keys(watched) -> None:
    terminal, file = watched
    before = terminal.settings()
    terminal.type("tito watch 21\r")
    terminal.until(r"\[q\]uit")
    assert terminal.settings() != before
    file.write_text(SOLVED.replace("helper(x) + x", "x + 3"), "utf-8")
    shows(terminal, "two becomes four")
    terminal.type("h")
    shows(terminal, "Hint 1 of 2")
    terminal.type("l")
    shows(terminal, r"done +Counter\.step")
    terminal.type("r")
    terminal.until("y/n")
    terminal.type("n")
    terminal.until(r"\[q\]uit")
    assert "x + 3" in file.read_text("utf-8")
    terminal.type("r")
    terminal.until("y/n")
    terminal.type("y")
    shows(terminal, "your version is kept")
    assert "NotImplementedError" in file.read_text("utf-8")
    file.write_text(SOLVED, "utf-8")
    shows(terminal, "Every exercise passes")
    terminal.type("q")
    assert "<0>> " in terminal.until(r"<\d+>> ")
    assert terminal.settings() == before


def test_ctrl_c_ends_watch_and_leaves_the_terminal_as_it_was(watched) -> None:
    terminal, file = watched
    before = terminal.settings()
    file.write_text(SOLVED.replace("return helper(x) + x", "while True: pass"), "utf-8")
    terminal.type("tito watch 21\r")
    terminal.until("checking: two becomes four")  # within a check that never ends
    terminal.type("\x03")
    assert "<130>> " in terminal.until(r"<\d+>> ", seconds=8)
    assert terminal.settings() == before


def test_an_error_in_watch_leaves_the_terminal_as_it_was(watched) -> None:
    terminal, file = watched
    before = terminal.settings()
    terminal.type("tito watch 21\r")
    terminal.until(r"\[q\]uit")
    (file.parents[1] / "tinytorch.toml").write_text("joined = [")
    terminal.type("r")
    terminal.until("y/n")
    terminal.type("y")
    said = terminal.until(r"<\d+>> ")
    assert "tinytorch.toml cannot be read" in said
    assert said.endswith("<1>> ")
    assert terminal.settings() == before


def test_watch_without_a_terminal_says_what_to_do(tmp_path: Path) -> None:
    import subprocess

    pack = install(tmp_path)
    root = write_workspace(tmp_path / "my", numbers=SOLVED)
    done = subprocess.run(
        [sys.executable, "-m", "tinytorch", "watch", "21"],
        cwd=root,
        env=student_environment(pack),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 1
    assert "watch needs a terminal; without one: tito test" in done.stderr


@pytest.mark.parametrize("columns", [40, 100])
def test_no_line_of_a_course_command_is_wider_than_the_terminal(
    columns: int, tmp_path: Path
) -> None:
    pack = install(tmp_path)
    text = SOLVED.replace("helper(x) + x", "3 * x")
    root = write_workspace(tmp_path / "my", numbers=text)
    with Terminal(root, student_environment(pack), columns) as terminal:
        for command in ("tito", "tito list", "tito test 21", "tito hint", "tito start 22"):
            _, said = terminal.run(command)
            wide = [line for line in said.splitlines() if len(line) > columns]
            # a command to copy stays whole
            assert [line for line in wide if "pytest" not in line] == [], command
            assert len(said.splitlines()) > 3


def test_a_lesson_is_paged_in_a_terminal(tmp_path: Path) -> None:
    pack = install(tmp_path)
    root = write_workspace(tmp_path / "my")
    with Terminal(root, student_environment(pack, PAGER="cat")) as terminal:
        status, said = terminal.run("tito read 21")
    assert status == 0
    assert "Exercise: double, 2 points" in said
    assert "helper(x) + x" not in said
