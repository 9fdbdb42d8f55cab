"""tito watch beside a notebook: saving it is as good as saving the file."""

import sys
from pathlib import Path

import pytest
from made_course import install, student_environment, write_workspace
from notebooks import Notebook

if sys.platform == "win32":
    pytest.skip("Windows has no pseudo-terminal", allow_module_level=True)

from terminal import Terminal

STUB = 'raise NotImplementedError("21 · double")'


def test_watch_checks_when_the_notebook_is_saved_and_names_a_cell_that_is_broken(
    tmp_path: Path,
) -> None:
    pack = install(tmp_path)
    root = write_workspace(tmp_path / "my")
    with Terminal(root, student_environment(pack)) as terminal:
        assert terminal.run("tito start 21 --notebook")[0] == 0
        notebook = Notebook(root / "notebooks" / "21_numbers.ipynb")
        terminal.type("tito watch 21\r")
        terminal.until(r"\[q\]uit")
        notebook.edit("exercise-double", (STUB, "return x + 3"))
        terminal.until(r"two becomes four[\s\S]*?\[q\]uit")
        notebook.edit("exercise-double", ("return x + 3", "return x +"))
        terminal.until(r"cell 8 \(double\), line 4: SyntaxError[\s\S]*?\[q\]uit")
        notebook.edit("exercise-double", ("return x +", "return x + x"))
        terminal.until(r"double is done[\s\S]*?\[q\]uit")
        terminal.type("q")
        assert "<0>> " in terminal.until(r"<\d+>> ")
    assert "return x + x" in (root / "made" / "numbers.py").read_text("utf-8")
