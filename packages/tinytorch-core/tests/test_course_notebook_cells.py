"""What the cells of a notebook do when they are run, on a made-up pack and in a small kernel."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from made_course import NUMBERS, install, student_environment
from notebooks import Notebook

from tinytorch.course.workspace import Workspace

pytestmark = pytest.mark.once

STUB = 'raise NotImplementedError("21 · double")'
STEP = 'raise NotImplementedError("21 · Counter.step")'
OTHER = 'raise NotImplementedError("21 · quadruple")'
ANSWERS = {
    "exercise-double": (STUB, "return helper(x) + x"),
    "exercise-Counter-step": (STEP, "self.count += 1\n    return self.count"),
    "exercise-quadruple": (OTHER, "return double(double(x))"),
}


class Classroom:
    """A workspace with the notebook of module 21, and a kernel to run it in."""

    def __init__(self, folder: Path) -> None:
        self.environment = student_environment(install(folder))
        self.root = Workspace.create(folder / "my").root
        self.tito("start", "21", "--notebook")
        self.notebook = Notebook(self.root / "notebooks" / "21_numbers.ipynb")
        self.file = self.root / "made" / "numbers.py"

    def tito(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self._python("-m", "tinytorch", *words, cwd=self.root)

    def run(self) -> dict:
        """Run the cells from the top until one fails."""
        kernel = str(Path(__file__).with_name("small_kernel.py"))
        path = self.notebook.path
        done = self._python(kernel, str(path), cwd=path.parent)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def solve(self, *names: str) -> None:
        for name in names or ANSWERS:
            self.notebook.edit(name, ANSWERS[name])

    def keep(self, *names: str) -> None:
        """Leave out all other cells: each that checks starts Python."""
        saved = json.loads(self.notebook.path.read_text("utf-8"))
        saved["cells"] = [cell for cell in saved["cells"] if cell["id"] in ("begin", *names)]
        self.notebook.path.write_text(json.dumps(saved), "utf-8")

    def add(self, name: str, source: str, *, after: str) -> None:
        """Put a cell of the student's own below another."""
        saved = json.loads(self.notebook.path.read_text("utf-8"))
        at = [cell["id"] for cell in saved["cells"]].index(after) + 1
        cell = {"cell_type": "code", "id": name, "metadata": {}, "outputs": [], "source": source}
        saved["cells"].insert(at, cell)
        self.notebook.path.write_text(json.dumps(saved), "utf-8")

    def _python(self, *words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *words],
            cwd=cwd,
            env={**self.environment, "PYTHONIOENCODING": "utf-8"},
            capture_output=True,
            encoding="utf-8",
            timeout=300,
        )


@pytest.fixture
def room(tmp_path: Path) -> Classroom:
    return Classroom(tmp_path)


def test_a_solved_notebook_runs_to_its_end_and_its_module_joins(room: Classroom) -> None:
    room.solve()
    found = room.run()
    assert (found["stopped"], found["error"]) == ("", "")
    assert found["printed"]["exercise-double"] == "In made/numbers.py now: double\n"
    assert "1 of 1 exercise, 2 of 2 points" in found["printed"]["test-double"]
    assert found["printed"]["use-2"] == "42\n"
    assert "has joined your framework" in found["printed"]["complete"]
    text = room.file.read_text("utf-8")
    assert text == NUMBERS.replace("    # the way of the reference\n", "")
    again = room.run()
    assert again["stopped"] == ""
    assert again["printed"]["exercise-double"] == "In made/numbers.py: double\n"
    assert room.file.read_text("utf-8") == text


def test_a_new_notebook_stops_at_its_first_test_without_a_traceback(room: Classroom) -> None:
    found = room.run()
    assert found["stopped"] == "test-double"
    assert found["error"] == "tito test 21 double: not yet (exit status 1)"
    assert "not written  double" in found["printed"]["test-double"]
    assert "3 definitions are not written yet" in found["printed"]["begin"]
    assert "Not written yet: double. The reference serves" in found["printed"]["exercise-double"]


def test_examples_run_on_the_reference_until_the_student_writes_their_own(room: Classroom) -> None:
    first = "from tinytorch.made.numbers import double as held\nprint(held(5))"
    room.add("before", first, after="begin")
    room.add("after", "print(held(5), double(5), held is double)", after="exercise-double")
    room.notebook.edit("exercise-double", (STUB, "return x * 1000"))
    found = room.run()
    assert found["printed"]["before"] == "10\n"
    assert found["printed"]["after"] == "5000 5000 True\n"  # who imported it has the new one
    assert found["stopped"] == "test-double"
    assert "double: wrong" in found["printed"]["test-double"]


def test_a_method_counts_for_objects_that_exist_already(room: Classroom) -> None:
    room.keep("given-Counter", "exercise-Counter-step", "test-Counter-step")
    room.solve("exercise-Counter-step")
    room.add(
        "made", "counter = Counter(); counter.step(); print(counter.count)", after="given-Counter"
    )
    room.add("used", "print(counter.step())", after="exercise-Counter-step")
    room.notebook.edit("exercise-Counter-step", ("+= 1", "+= 10"))
    found = room.run()
    assert found["printed"]["made"] == "1\n"  # the reference's
    assert found["printed"]["used"] == "11\n"
    assert found["stopped"] == "test-Counter-step"


def test_a_syntax_error_names_the_cell_its_line_and_the_place(room: Classroom) -> None:
    room.notebook.edit("exercise-double", (STUB, "return x +"))
    before = room.file.read_text("utf-8")
    found = room.run()
    assert found["stopped"] == "exercise-double"
    assert found["error"].splitlines() == [
        "notebooks/21_numbers.ipynb, cell double, line 4: SyntaxError: invalid syntax",
        "    return x +",
        "              ^",
    ]
    assert room.file.read_text("utf-8") == before


def test_a_definition_that_fails_when_it_is_made_is_not_written(room: Classroom) -> None:
    room.notebook.edit("exercise-double", ("def double(x)", "def double(x=missing)"))
    room.notebook.edit("exercise-double", (STUB, "return 2 * x"))
    before = room.file.read_text("utf-8")
    found = room.run()
    assert "cell double, line 2: NameError: name 'missing' is not defined" in found["error"]
    assert room.file.read_text("utf-8") == before


def test_what_both_sides_changed_is_taken_from_the_cell_and_the_files_is_kept(
    room: Classroom,
) -> None:
    room.keep("exercise-double")
    room.solve("exercise-double")
    text = room.file.read_text("utf-8")
    room.file.write_text(text.replace(STUB, "return 2 * x"), "utf-8")
    found = room.run()
    said = found["printed"]["exercise-double"]
    assert "double: what made/numbers.py held was changed there, too" in said
    assert "tito undo 21" in said
    assert "return helper(x) + x" in room.file.read_text("utf-8")
    assert room.tito("undo", "21").returncode == 0
    assert "return 2 * x" in room.file.read_text("utf-8")


def test_what_only_the_file_changed_counts_and_is_said(room: Classroom) -> None:
    room.keep("exercise-double")
    text = room.file.read_text("utf-8")
    room.file.write_text(text.replace(STUB, "return 2 * x"), "utf-8")
    room.add("after", "print(double(4))", after="exercise-double")
    found = room.run()
    assert "double: changed in made/numbers.py and not here" in found["printed"]["exercise-double"]
    assert found["printed"]["after"] == "8\n"
    assert "return 2 * x" in room.file.read_text("utf-8")


def test_a_class_that_was_changed_asks_for_a_new_kernel(room: Classroom) -> None:
    room.keep("given-Counter", "exercise-Counter-step")
    room.solve("exercise-Counter-step")
    room.notebook.edit("given-Counter", ('return "counter"', 'return "Counter"'))
    found = room.run()
    assert "Counter: restart the kernel" in found["printed"]["given-Counter"]
    assert 'return "Counter"' in room.file.read_text("utf-8")
    assert "restart" not in room.run()["printed"]["given-Counter"]


def test_the_bug_of_a_lesson_is_answered_in_a_cell(room: Classroom) -> None:
    cell = "operands-tripled"
    room.keep(cell)
    found = room.run()
    assert "gives no operands yet" in found["printed"][cell]
    assert found["stopped"] == ""  # a question that is left open stops nobody
    stub = 'raise NotImplementedError("21 · bug")'
    room.notebook.edit(cell, (stub, "return (0,)"))
    found = room.run()
    assert found["stopped"] == cell
    assert "Both definitions give the same answer" in found["printed"][cell]
    room.notebook.edit(cell, ("(0,)", "(1,)"))
    assert "Exposed" in room.run()["printed"][cell]


def test_cells_outside_of_a_workspace_say_how_to_make_one(tmp_path: Path) -> None:
    room = Classroom(tmp_path)
    away = tmp_path / "away"
    away.mkdir()
    room.notebook.path = room.notebook.path.rename(away / "21_numbers.ipynb")
    found = room.run()
    assert found["stopped"] == "begin"
    assert "there is no workspace here" in found["error"]
    assert "%tito init my-tinytorch" in found["error"]


@pytest.mark.skipif(sys.platform == "win32", reason="rights are others there")
def test_a_workspace_that_others_may_write_to_is_not_used_but_named(room: Classroom) -> None:
    room.keep()
    room.root.chmod(0o777)
    found = room.run()
    assert found["stopped"] == "begin"
    assert "can be changed by every user" in found["error"]
    assert "tito trust" in found["error"]
    assert "%tito init" not in found["error"]


def test_a_module_that_was_imported_before_asks_for_a_new_kernel(room: Classroom) -> None:
    room.add("early", "import tinytorch.made.numbers", after="lesson")
    found = room.run()
    assert found["stopped"] == "begin"
    assert "was imported before this cell ran" in found["error"]


def test_a_build_cell_before_the_first_cell_says_so(room: Classroom) -> None:
    room.notebook.write(begin="%load_ext tinytorch.course.notebook")
    found = room.run()
    assert found["stopped"] == "given-helper"
    assert "run the first cell of this notebook before all others" in found["error"]
