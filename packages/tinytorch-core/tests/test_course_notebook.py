"""A lesson as a notebook: what is in the file, and that no solution is."""

import ast
import base64
import importlib.util
import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

import tinytorch.core
from tinytorch.course.catalogue import Subject
from tinytorch.course.lesson import read
from tinytorch.course.notebook_made import as_json, notebook
from tinytorch.course.runner import subject

LESSONS = sorted(Path(tinytorch.core.__path__[0], "lessons").glob("*.md"))
lessons = pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)


def about(path: Path) -> Subject:
    return subject(read(path).module)


def cells(path: Path) -> dict[str, dict]:
    found = notebook(about(path))["cells"]
    by_id = {cell["id"]: cell for cell in found}
    assert len(by_id) == len(found)
    return by_id


def source(cell: dict) -> str:
    return "".join(cell["source"])


@lessons
def test_a_notebook_is_one_by_the_rules_of_nbformat(path: Path) -> None:
    nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed")
    nbformat.validate(nbformat.reads(as_json(about(path)), as_version=4))


@lessons
def test_ids_are_made_of_names_and_are_the_same_each_time(path: Path) -> None:
    lesson = read(path)
    found = cells(path)
    for exercise in lesson.exercises:
        assert source(found[f"exercise-{exercise.id}"]).startswith(f"%%build {exercise.id}")
        test = source(found[f"test-{exercise.id}"])
        assert test == f"%tito test {lesson.number} {exercise.id}"
    assert as_json(about(path)) == as_json(about(path))
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name) for name in found)


@lessons
def test_every_exercise_is_to_be_written(path: Path) -> None:
    lesson, found = read(path), cells(path)
    for exercise in lesson.exercises:
        _, code = source(found[f"exercise-{exercise.id}"]).split("\n", 1)
        for name, node in zip(exercise.names, ast.parse(code).body, strict=True):
            *docstring, last = node.body
            assert len(docstring) <= 1
            label = f"{lesson.number} · {name}"
            assert ast.unparse(last) == f"raise NotImplementedError({label!r})"


@lessons
def test_no_line_of_a_solution_and_no_hint_is_in_the_file(path: Path) -> None:
    from tinytorch.course.skeleton import skeleton

    subject_of = about(path)
    text = "\n".join(source(cell) for cell in notebook(subject_of)["cells"])
    there = {line.strip() for line in skeleton(subject_of).splitlines()}
    solved = {line.strip() for line in subject_of.reference.splitlines()} - there
    # what the lesson shows itself
    shown = {line.strip() for part in subject_of.lesson.parts for line in part.body.splitlines()}
    assert len(solved) > 30
    assert solved & {line.strip() for line in text.splitlines()} <= shown
    hints = [hint for exercise in subject_of.lesson.exercises for hint in exercise.hints]
    assert [hint for hint in hints if hint in text] == []


@lessons
def test_figures_are_in_the_file_as_pictures_on_white(path: Path) -> None:
    text = "\n".join(source(cell) for cell in cells(path).values())
    assert "figures/" not in text
    pictures = re.findall(r'<img alt="([^"]+)" src="data:image/svg\+xml;base64,([^"]+)">', text)
    assert len(pictures) == sum(part.body.count("](figures/") for part in read(path).parts)
    for _, data in pictures:
        picture = ElementTree.fromstring(base64.b64decode(data))
        assert "background:#fff" in picture.attrib["style"]


@lessons
def test_answers_and_rubrics_are_folded(path: Path) -> None:
    found = cells(path)
    quiz = [source(cell) for name, cell in found.items() if name.startswith("quiz-question-")]
    assert len(quiz) == sum(part.kind == "quiz" for part in read(path).parts)
    for text in quiz:
        question, answer = text.split("<details><summary>Answer</summary>")
        assert "[x]" not in question
        assert answer.strip().endswith("</details>")
    questions = [source(cell) for name, cell in found.items() if name.startswith("question-")]
    assert all("<details><summary>What a good answer holds" in text for text in questions)


@lessons
def test_cells_of_code_are_code_that_python_takes(path: Path) -> None:
    for name, cell in cells(path).items():
        if cell["cell_type"] == "code":
            lines = [line for line in source(cell).splitlines() if not line.startswith("%")]
            compile("\n".join(lines), name, "exec")


@lessons
def test_nbgrader_finds_exercises_tests_with_points_and_questions_for_hand(path: Path) -> None:
    lesson = read(path)
    said = {
        name: cell["metadata"]["nbgrader"]
        for name, cell in cells(path).items()
        if "nbgrader" in cell["metadata"]
    }
    assert all(entry["grade_id"] == name for name, entry in said.items())
    assert all(entry["schema_version"] == 3 for entry in said.values())
    for exercise in lesson.exercises:
        own, test = said[f"exercise-{exercise.id}"], said[f"test-{exercise.id}"]
        assert (own["solution"], own["grade"], own["locked"]) == (True, False, False)
        assert (test["solution"], test["grade"], test["locked"]) == (False, True, True)
        assert test["points"] == exercise.points
    for part in lesson.parts:
        if part.kind == "reflect":
            entry = said[f"reflect-{part.names[0]}"]
            assert (entry["solution"], entry["grade"], entry["locked"]) == (True, True, False)


@lessons
def test_nbgrader_accepts_its_metadata(path: Path) -> None:
    if importlib.util.find_spec("nbgrader") is None:
        pytest.skip("nbgrader is not installed (557 MB with what it needs)")
    import nbformat
    from nbgrader.nbgraderformat import MetadataValidator

    MetadataValidator().validate_nb(nbformat.reads(as_json(about(path)), as_version=4))


@lessons
def test_a_notebook_takes_over_what_is_written_already(path: Path) -> None:
    subject_of = about(path)
    made = notebook(subject_of, subject_of.reference)["cells"]
    for cell in made:
        if source(cell).startswith("%%build"):
            assert "NotImplementedError(" not in source(cell)
    saved = json.loads(as_json(subject_of, subject_of.reference))
    assert saved["cells"] == made
