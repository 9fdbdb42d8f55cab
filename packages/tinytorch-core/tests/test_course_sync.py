"""Cells of a saved notebook and the student's file are kept together, and nothing is lost."""

import json
import os
import shutil
from pathlib import Path

import pytest
from made_course import NUMBERS, Student, at_a_prompt
from notebooks import Notebook

from tinytorch.course.catalogue import Subject, subject
from tinytorch.course.notebook_cells import CellError
from tinytorch.course.notebook_made import as_json, notebook_file
from tinytorch.course.skeleton import skeleton
from tinytorch.course.sync import Synced, sync

STUB = 'raise NotImplementedError("21 · double")'
OTHER = 'raise NotImplementedError("21 · quadruple")'


class Both:
    """A workspace with a notebook of module 21 and its file, both as the skeleton."""

    def __init__(self, student: Student) -> None:
        self.workspace = student.workspace
        self.about: Subject = subject("tinytorch.made.numbers")
        self.file = student.numbers
        self.start = skeleton(self.about)
        self.workspace.put("made/numbers.py", self.start)
        path = self.workspace.path(notebook_file(self.about))
        path.parent.mkdir()
        path.write_text(as_json(self.about), "utf-8")
        self.notebook = Notebook(path)

    def sync(self, take: str = "") -> Synced:
        return sync(self.workspace, self.about, take)

    @property
    def text(self) -> str:
        return self.file.read_text("utf-8")

    def save(self, old: str, new: str) -> None:
        """Change the file, as in an editor."""
        assert old in self.text
        self.file.write_text(self.text.replace(old, new), "utf-8")


@pytest.fixture
def both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> Both:
    return Both(at_a_prompt(tmp_path, monkeypatch, capsys))


def test_a_cell_that_was_written_goes_into_the_file_and_nothing_else_changes(both: Both) -> None:
    both.notebook.edit("exercise-double", (STUB, "return 2 * x"))
    assert both.sync().written == ("double",)
    assert both.text == both.start.replace(STUB, "return 2 * x")
    assert both.sync() == Synced()


def test_all_cells_written_make_the_file_that_typing_into_it_makes(both: Both) -> None:
    step = 'raise NotImplementedError("21 · Counter.step")'
    both.notebook.edit("exercise-double", (STUB, "return helper(x) + x"))
    both.notebook.edit("exercise-Counter-step", (step, "self.count += 1\n    return self.count"))
    both.notebook.edit("exercise-quadruple", (OTHER, "return double(double(x))"))
    both.sync()
    assert both.text == NUMBERS.replace("    # the way of the reference\n", "")


def test_what_was_changed_in_the_file_only_stays(both: Both) -> None:
    both.save(STUB, "return x + x")
    before = both.notebook.path.read_bytes()
    found = both.sync()
    assert (found.newer, found.written, found.conflicts) == (("double",), (), ())
    assert "return x + x" in both.text
    assert both.notebook.path.read_bytes() == before


def test_a_change_on_both_sides_is_named_and_changes_neither(both: Both) -> None:
    both.save(STUB, "return x + x")
    both.notebook.edit("exercise-double", (STUB, "return 2 * x"))
    both.notebook.edit("exercise-quadruple", (OTHER, "return 4 * x"))
    found = both.sync()
    assert (found.conflicts, found.written) == (("double",), ("quadruple",))
    assert "return x + x" in both.text
    assert "return 4 * x" in both.text
    assert "return 2 * x" in both.notebook.source("exercise-double")
    assert both.sync().conflicts == ("double",)  # until somebody decides


def test_taking_the_notebooks_keeps_what_the_file_held(both: Both) -> None:
    both.save(STUB, "return x + x")
    both.notebook.edit("exercise-double", (STUB, "return 2 * x"))
    found = both.sync("notebook")
    assert found.written == ("double",)
    assert "return 2 * x" in both.text
    assert found.kept is not None
    assert "return x + x" in found.kept.read_text("utf-8")
    assert both.sync() == Synced()


def test_taking_the_files_keeps_what_the_notebook_held(both: Both) -> None:
    both.save(STUB, "return x + x")
    both.notebook.edit("exercise-double", (STUB, "return 2 * x"))
    found = both.sync("file")
    assert found.returned == ("double",)
    assert "return x + x" in both.text
    assert "return x + x" in both.notebook.source("exercise-double")
    assert found.kept is not None
    assert found.kept.suffix == ".ipynb"
    assert "return 2 * x" in found.kept.read_text("utf-8")
    assert both.sync() == Synced()


def test_a_notebook_saved_before_the_last_sync_brings_nothing_back(both: Both) -> None:
    both.notebook.edit("exercise-double", (STUB, "return 2 * x"))
    both.sync()
    stamp = both.notebook.path.stat().st_mtime_ns
    both.notebook.edit("exercise-double", ("return 2 * x", "return 3 * x"))
    os.utime(both.notebook.path, ns=(stamp, stamp))
    assert both.sync() == Synced()
    assert "return 2 * x" in both.text


def test_without_its_memory_a_workspace_still_knows_what_is_only_on_one_side(both: Both) -> None:
    both.notebook.edit("exercise-double", (STUB, "return 2 * x"))
    both.sync()
    both.save(OTHER, "return 4 * x")
    shutil.rmtree(both.workspace.root / ".tito")
    found = both.sync()
    assert (found.newer, found.written, found.conflicts) == (("quadruple",), (), ())


def test_the_cell_of_a_class_leaves_its_methods_that_are_exercises(both: Both) -> None:
    step = 'raise NotImplementedError("21 · Counter.step")'
    both.notebook.edit("exercise-Counter-step", (step, "self.count += 1\n    return self.count"))
    both.notebook.edit("given-Counter", ("Counts.", "Counts up."))
    assert both.sync().written == ("Counter", "Counter.step")
    assert '"""Counts up."""' in both.text
    assert "        self.count += 1\n        return self.count\n" in both.text
    both.notebook.edit("given-Counter", ("Counts up.", "Counts."))
    assert both.sync().written == ("Counter",)
    assert "        self.count += 1\n        return self.count\n" in both.text


def test_a_helper_and_an_import_go_into_the_file_once(both: Both) -> None:
    source = both.notebook.source("exercise-double").replace(STUB, "return twice(x)")
    first, rest = source.split("\n", 1)
    helper = "import math\n\n\ndef twice(x):\n    return math.ceil(2 * x)\n\n\n"
    both.notebook.write(**{"exercise-double": f"{first}\n{helper}{rest}"})
    both.sync()
    space: dict = {}
    exec(both.text, space)
    assert space["double"](2.2) == 5
    both.notebook.edit("exercise-double", ("2 * x", "3 * x"))
    both.sync()
    assert both.text.count("import math") == both.text.count("def twice") == 1
    assert "3 * x" in both.text


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("(x):", "(x:"), r"21_numbers\.ipynb, cell \d+ \(double\), line 2: SyntaxError"),
        ((STUB, "return +"), r"line 4: SyntaxError: invalid syntax\n    return \+\n +\^"),
        (("def double", "def doubble"), "is for double, but does not define it; it defines doubb"),
        ((STUB, f"{STUB}\n\nprint(double(2))"), r"line 6: print\(double\(2\)\)\nA %%build cell h"),
        ((STUB, f"{STUB}\n\n\ndef quadruple(x): 1"), "quadruple has a cell of its own"),
        ((STUB, f"{STUB}\n\n\ndef double(x): 1"), "defines it 2 times"),
        (("%%build double", "%%build dubble"), "names 'dubble', which lesson 21 does not define"),
    ],
)
def test_a_cell_that_cannot_be_used_is_named_and_nothing_is_written(
    both: Both, change: tuple[str, str], said: str
) -> None:
    both.notebook.edit("exercise-quadruple", (OTHER, "return 4 * x"))
    both.notebook.edit("exercise-double", change)
    with pytest.raises(CellError, match=said):
        both.sync()
    assert both.text == both.start


def test_a_file_that_cannot_be_cut_is_named_with_its_line(both: Both) -> None:
    both.save("def double(x):", "def double(x:")
    both.notebook.edit("exercise-double", (STUB, "return 2 * x"))
    with pytest.raises(CellError, match=r"made/numbers.py has a syntax error in line 11.*tito res"):
        both.sync()


def test_a_definition_that_the_file_lost_or_has_twice_is_put_back_or_named(both: Both) -> None:
    both.save("def double(x):", "def doubled(x):")
    both.notebook.edit("exercise-double", (STUB, "return 2 * x"))
    assert both.sync().written == ("double",)
    assert "def double(x):\n" in both.text
    both.file.write_text(f"{both.text}\n\ndef double(x):\n    return x + x\n", "utf-8")
    both.notebook.edit("exercise-double", ("2 * x", "3 * x"))
    with pytest.raises(CellError, match="defines double 2 times"):
        both.sync()


@pytest.mark.parametrize("text", ["", "<<<<<<< HEAD\n{}", "[]", '{"cells": [{}]}'])
def test_a_notebook_that_cannot_be_read_is_said_to_be_so(both: Both, text: str) -> None:
    both.notebook.path.write_text(text, "utf-8")
    with pytest.raises(CellError, match=r"notebooks/21_numbers\.ipynb is no notebook"):
        both.sync()


def test_cells_that_the_student_adds_or_moves_are_left_alone(both: Both) -> None:
    saved = json.loads(both.notebook.path.read_text("utf-8"))
    own = {"cell_type": "code", "metadata": {}, "outputs": [], "source": "%matplotlib inline"}
    saved["cells"] = [own, *reversed(saved["cells"])]
    both.notebook.path.write_text(json.dumps(saved), "utf-8")
    both.notebook.edit("exercise-double", (STUB, "return 2 * x"))
    assert both.sync().written == ("double",)


def test_two_cells_for_one_definition_are_named(both: Both) -> None:
    source = both.notebook.source("exercise-double")
    both.notebook.write(**{"use-2": source.replace(STUB, "return 2 * x")})
    with pytest.raises(CellError, match=r"cell \d+ \(double\): cell \d+ is for double, too"):
        both.sync()
    assert both.text == both.start


def test_blank_lines_above_the_first_line_of_a_cell_do_not_count(both: Both) -> None:
    source = both.notebook.source("exercise-double").replace(STUB, "return 2 * x")
    both.notebook.write(**{"exercise-double": f"\n\n{source}"})
    assert both.sync().written == ("double",)


def test_a_helper_that_was_changed_in_the_file_stays_and_is_named(both: Both) -> None:
    first, rest = both.notebook.source("exercise-double").split("\n", 1)
    helper = "def twice(x):\n    return 2 * x\n\n\n"
    both.notebook.write(**{"exercise-double": f"{first}\n{helper}{rest}"})
    assert both.sync().written == ("twice",)
    both.save("return 2 * x", "return x + x")
    both.notebook.edit("exercise-double", (STUB, "return twice(x)"))
    found = both.sync()
    assert (found.written, found.newer) == (("double",), ("twice",))
    assert "return x + x" in both.text
    both.notebook.edit("exercise-double", ("return 2 * x", "return 3 * x"))
    assert both.sync().conflicts == ("twice",)
