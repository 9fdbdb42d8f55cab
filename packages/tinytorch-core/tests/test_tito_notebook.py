"""tito and notebooks, on a made-up pack: making one, taking over what was saved, saying so."""

import json
from pathlib import Path

import pytest
from made_course import NUMBERS, Student, at_a_prompt
from notebooks import Notebook

STUB = 'raise NotImplementedError("21 · double")'


@pytest.fixture
def student(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> Student:
    return at_a_prompt(tmp_path, monkeypatch, capsys)


@pytest.fixture
def notebook(student: Student) -> Notebook:
    assert student("start", "21", "--notebook").status == 0
    return Notebook(student.root / "notebooks" / "21_numbers.ipynb")


def test_start_makes_file_and_notebook_and_says_how_to_open_it(student: Student) -> None:
    done = student("start", "21", "--notebook")
    assert done.status == 0
    said = done.out.replace("\\", "/")
    assert "Made made/numbers.py" in said
    assert "Made notebooks/21_numbers.ipynb" in said
    assert "Next: jupyter lab notebooks/21_numbers.ipynb" in said
    assert (student.root / "notebooks" / "21_numbers.ipynb").is_file()
    assert "NotImplementedError" in student.numbers.read_text("utf-8")


def test_start_says_how_to_install_jupyter_where_it_is_not(
    student: Student, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tinytorch.tito.syncing.find_spec", lambda name: None)
    assert "tinytorch-core[notebook]" in student("start", "21", "--notebook").out
    monkeypatch.setattr("tinytorch.tito.syncing.find_spec", lambda name: name)
    assert "tinytorch-core[notebook]" not in student("start", "21", "--notebook").out


def test_a_notebook_that_is_there_stays_as_it_is(student: Student, notebook: Notebook) -> None:
    notebook.edit("exercise-double", (STUB, "return 2 * x"))
    before = notebook.path.read_bytes()
    done = student("start", "21", "--notebook")
    assert "is there already, and stays as it is" in done.out.split("Next")[0].replace("\n", " ")
    assert notebook.path.read_bytes() == before


def test_a_notebook_that_is_begun_late_holds_what_is_written(student: Student) -> None:
    student.write()
    student("start", "21", "--notebook")
    made = Notebook(student.root / "notebooks" / "21_numbers.ipynb")
    assert "return helper(x) + x" in made.source("exercise-double")
    assert student("sync", "21").out.endswith("nothing to do.\n")


def test_test_takes_over_what_was_saved_and_says_so(student: Student, notebook: Notebook) -> None:
    notebook.edit("exercise-double", (STUB, "return 2 * x"))
    done = student("test", "21", "double")
    assert done.status == 0
    assert "into made/numbers.py: double" in done.out
    assert "tito undo 21" in done.out
    assert "return 2 * x" in student.numbers.read_text("utf-8")
    assert "into made/numbers.py" not in student("test", "21", "double").out


def test_test_leaves_what_was_changed_on_both_sides_and_says_so(
    student: Student, notebook: Notebook
) -> None:
    notebook.edit("exercise-double", (STUB, "return 2 * x"))
    student.write(("helper(x) + x", "x + 3"))
    done = student("test", "21", "double")
    assert done.status == 1
    assert "left as it is in both: double" in " ".join(done.out.split())
    assert "x + 3" in student.numbers.read_text("utf-8")


def test_json_stays_json_and_the_notice_goes_elsewhere(
    student: Student, notebook: Notebook
) -> None:
    notebook.edit("exercise-double", (STUB, "return 2 * x"))
    done = student("test", "21", "double", "--json")
    assert json.loads(done.out)["passed"] is True
    assert "into made/numbers.py: double" in done.err


def test_complete_takes_over_what_was_saved(student: Student, notebook: Notebook) -> None:
    student.write()
    notebook.path.unlink()
    student("start", "21", "--notebook")
    notebook.edit("exercise-double", ("return helper(x) + x", "return 3 * x"))
    done = student("complete", "21")
    assert done.status == 1
    assert "into made/numbers.py: double" in done.out
    assert "does not join" in done.out


def test_a_syntax_error_in_a_cell_is_reported_with_it_and_nothing_is_checked(
    student: Student, notebook: Notebook
) -> None:
    notebook.edit("exercise-double", (STUB, "return x +"))
    for command in ("test", "sync", "complete"):
        done = student(command, "21")
        assert done.status == 1
        assert "21_numbers.ipynb, cell 8 (double), line 4: SyntaxError" in done.err
        assert "    return x +\n              ^" in done.err
        assert done.out == ""


def test_inside_a_running_notebook_the_saved_one_is_not_asked(
    student: Student, notebook: Notebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    notebook.edit("exercise-double", (STUB, "return 2 * x"))
    monkeypatch.setenv("TINYTORCH_NOTEBOOK", "1")
    assert student("test", "21", "double").status == 1
    assert STUB in student.numbers.read_text("utf-8")


def test_sync_names_a_conflict_and_how_to_choose(student: Student, notebook: Notebook) -> None:
    notebook.edit("exercise-double", (STUB, "return 2 * x"))
    text = student.numbers.read_text("utf-8")
    student.numbers.write_text(text.replace(STUB, "return x + x"), "utf-8")
    done = student("sync", "21")
    assert done.status == 1
    assert "--take notebook, or --take file" in " ".join(done.out.split())
    done = student("sync", "21", "--take", "file")
    assert done.status == 0
    assert "tito undo 21 --notebook" in done.out
    assert "return x + x" in notebook.source("exercise-double")
    done = student("undo", "21", "--notebook")
    assert done.status == 0
    assert "return 2 * x" in notebook.source("exercise-double")


def test_sync_without_a_notebook_or_a_file_says_what_to_do(student: Student) -> None:
    student.write()
    done = student("sync", "21")
    assert done.status == 1
    assert "tito start 21 --notebook" in done.err


def test_sync_makes_a_file_that_is_gone_again(student: Student, notebook: Notebook) -> None:
    skeleton = student.numbers.read_text("utf-8")
    student.numbers.unlink()
    notebook.edit("exercise-double", (STUB, "return 2 * x"))
    assert student("sync", "21").status == 0
    assert student.numbers.read_text("utf-8") == skeleton.replace(STUB, "return 2 * x")


def test_the_file_that_a_notebook_writes_is_the_one_that_typing_makes(
    student: Student, notebook: Notebook
) -> None:
    notebook.edit("exercise-double", (STUB, "return helper(x) + x"))
    notebook.edit(
        "exercise-Counter-step",
        (
            'raise NotImplementedError("21 · Counter.step")',
            "self.count += 1\n    return self.count",
        ),
    )
    notebook.edit(
        "exercise-quadruple",
        (STUB.replace("double", "quadruple"), "return double(double(x))"),
    )
    assert student("complete", "21").status == 0
    typed = NUMBERS.replace("    # the way of the reference\n", "")
    assert student.numbers.read_text("utf-8") == typed
