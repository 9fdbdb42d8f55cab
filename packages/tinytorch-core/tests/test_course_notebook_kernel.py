"""The notebook of each lesson, run from the top in a real IPython kernel.

Where nbclient and ipykernel are installed (94 MB: `tox -e notebook` has them).
"""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest
from made_course import student_environment
from notebooks import Notebook

import tinytorch.core
from tinytorch.course.lesson import read
from tinytorch.course.notebook_made import as_json, cell_source, notebook_file
from tinytorch.course.runner import subject
from tinytorch.course.workspace import Workspace, write

if any(importlib.util.find_spec(name) is None for name in ("nbclient", "ipykernel", "nbformat")):
    pytest.skip("nbclient and ipykernel are not installed", allow_module_level=True)

LESSONS = sorted(Path(tinytorch.core.__path__[0], "lessons").glob("*.md"))
lessons = pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)


class Desk:
    """A workspace with the notebook of a lesson of core."""

    def __init__(self, folder: Path, lesson: Path) -> None:
        self.about = subject(read(lesson).module)
        self.workspace = Workspace.create(folder / "my")
        self.path = self.workspace.path(notebook_file(self.about))
        self.environment = student_environment(folder)
        write(self.path, as_json(self.about))

    def solve(self) -> None:
        """Write the reference's definitions into the cells."""
        reference, notebook = self.about.reference, Notebook(self.path)
        cells = [c for c in notebook.cells if "".join(c["source"]).startswith("%%build")]
        names = {c["id"]: "".join(c["source"]).split("\n")[0].split()[1:] for c in cells}
        notebook.write(**{key: cell_source(reference, tuple(own)) for key, own in names.items()})

    def run(self) -> dict:
        kernel = str(Path(__file__).with_name("real_kernel.py"))
        done = subprocess.run(
            [sys.executable, kernel, str(self.path)],
            env={**self.environment, "PYTHONIOENCODING": "utf-8"},
            cwd=self.path.parent,
            capture_output=True,
            encoding="utf-8",
            timeout=900,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])


@lessons
def test_a_solved_notebook_runs_to_its_end_and_writes_the_file(tmp_path: Path, path: Path) -> None:
    desk = Desk(tmp_path, path)
    desk.solve()
    found = desk.run()
    assert (found["stopped"], found["error"]) == ("", "")
    for exercise in desk.about.lesson.exercises:
        assert "1 of 1 exercise" in found["printed"][f"test-{exercise.id}"]
    assert len(found["pictures"]) == sum(part.kind == "plot" for part in desk.about.lesson.parts)
    assert "has joined your framework" in found["printed"]["complete"]
    assert desk.workspace.path(desk.about.file).read_text("utf-8") == desk.about.reference


@lessons
def test_a_new_notebook_stops_at_its_first_test(tmp_path: Path, path: Path) -> None:
    desk = Desk(tmp_path, path)
    found = desk.run()
    first = desk.about.lesson.exercises[0].id
    assert found["stopped"] == f"test-{first}"
    number = desk.about.lesson.number
    assert found["error"] == f"tito test {number} {first}: not yet (exit status 1)"


def test_errors_are_told_without_lines_of_tinytorch(tmp_path: Path) -> None:
    desk = Desk(tmp_path, LESSONS[0])
    desk.solve()
    notebook = Notebook(desk.path)
    notebook.edit("exercise-add", ("return x + y", "return x +"))
    error = desk.run()["error"]
    assert error.splitlines()[1:] == ["    return x +", "              ^"]
    assert error.startswith("notebooks/01_tensor.ipynb, cell add, line 5: SyntaxError")
    notebook.edit("exercise-add", ("return x +", "return x + missing"))
    notebook.write(**{"test-add": "Tensor([1]) + Tensor([2])"})
    error = desk.run()["error"]
    assert "cell add:5" in error
    assert "x + missing" in error
    assert "NameError" in error
    assert "primitive.py" not in error
