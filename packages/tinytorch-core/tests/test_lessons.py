"""The finished lessons: nothing has drifted, checks have power, what is shown was run.

A lesson is finished when it stands in `core/lessons`. For each: every definition of its module is
named once and in order; skeletons fail and earn nothing; the catalogue of wrong answers
(`wrong_answers/`) is caught, each by its own exercise; every check is the only one to catch some
wrong answer; demonstrations run.
"""

import ast
import contextlib
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import tinytorch.core
from tinytorch.course.lesson import read
from tinytorch.course.runner import run_checks, subject
from tinytorch.course.source import replace, top_level, without_bodies
from tinytorch.course.workspace import Workspace

pytestmark = pytest.mark.once

CORE = Path(tinytorch.core.__path__[0])
LESSONS = {path.stem: path for path in sorted((CORE / "lessons").glob("*.md"))}
CATALOGUE = Path(__file__).parent / "wrong_answers"
ANSWERS = sorted(CATALOGUE.glob("*/*.py"))


def source_of(lesson):
    return (CORE / f"{lesson.module.rpartition('.')[2]}.py").read_text("utf-8")


def check(tmp_path, lesson, text):
    """Run a lesson's checks against `text` as the student's file."""
    workspace = Workspace.create(tmp_path / "ws")
    file = f"core/{lesson.module.rpartition('.')[2]}.py"
    workspace.put(file, text)
    return run_checks(subject(lesson.module), workspace.root)


def with_answer(lesson, answer):
    """The module's source with an answer's definitions in place of the right ones."""
    source, text = source_of(lesson), answer.read_text("utf-8")
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef):
            first = min([node.lineno, *(d.lineno for d in node.decorator_list)]) - 1
            definition = "\n".join(text.splitlines()[first : node.end_lineno])
            source = replace(source, node.name, definition)
    return source


def test_lessons_01_and_06_are_finished():
    assert {"01_tensor", "06_autograd"} <= set(LESSONS)


@pytest.mark.parametrize("stem", LESSONS)
def test_a_lesson_names_every_definition_of_its_module_once_and_in_order(stem):
    lesson = read(LESSONS[stem])
    named = [name for name in lesson.definitions if "." not in name]
    assert named == top_level(source_of(lesson))


@pytest.mark.parametrize("stem", LESSONS)
def test_every_exercise_has_hints_and_checks_and_every_check_an_exercise(stem):
    lesson = read(LESSONS[stem])
    result = run_checks(subject(lesson.module))
    assert {c.exercise for c in result.checks} == {e.id for e in lesson.exercises}


@pytest.mark.parametrize("stem", LESSONS)
def test_the_reference_passes_every_check(stem):
    result = run_checks(subject(read(LESSONS[stem]).module))
    assert result.passed, [c for c in result.checks if c.outcome != "passed"]


@pytest.mark.parametrize("stem", LESSONS)
def test_a_skeleton_earns_nothing(tmp_path, stem):
    lesson = read(LESSONS[stem])
    names = tuple(name for exercise in lesson.exercises for name in exercise.names)
    result = check(tmp_path, lesson, without_bodies(source_of(lesson), names, lesson.number))
    assert not result.error, result.error
    assert [c.name for c in result.checks if c.outcome == "passed"] == []
    for exercise in lesson.exercises:
        assert result.outcome_of(exercise.id) in ("unwritten", "waiting")


def failing(stem, versions):
    """For each version of a module, (source, exercise), the checks of that exercise that fail."""
    lesson = read(LESSONS[stem])
    checks = CORE / "checks" / f"check_{stem}.py"
    request = {"module": lesson.module, "checks": str(checks), "versions": versions}
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("prove_checks.py"))],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        env={**os.environ, "TINYTORCH_WORKSPACE": "off", "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def checks_of(stem):
    """The names of all checks of a lesson."""
    tree = ast.parse((CORE / "checks" / f"check_{stem}.py").read_text("utf-8"))
    names = {n.name for n in tree.body if isinstance(n, ast.FunctionDef)}
    return {name for name in names if name.startswith("check_")}


@pytest.mark.skipif(sys.platform == "win32", reason="forks")
@pytest.mark.parametrize("stem", LESSONS)
def test_an_exercise_that_alone_is_unwritten_fails_all_its_checks(stem):
    lesson = read(LESSONS[stem])
    source = source_of(lesson)
    right = failing(stem, {e.id: [source, e.id] for e in lesson.exercises})
    assert set(map(tuple, right.values())) == {()}, right
    versions = {
        e.id: [without_bodies(source, e.names, lesson.number), e.id] for e in lesson.exercises
    }
    fail = {check for checks in failing(stem, versions).values() for check in checks}
    assert checks_of(stem) - fail == set()


@pytest.mark.skipif(sys.platform == "win32", reason="forks")
@pytest.mark.parametrize("stem", LESSONS)
def test_wrong_answers_are_caught_and_each_check_is_the_only_one_to_catch_some(stem):
    lesson = read(LESSONS[stem])
    answers = {
        path.stem: [with_answer(lesson, path), path.stem.partition("__")[0]]
        for path in ANSWERS
        if path.parent.name == stem
    }
    caught = failing(stem, answers)
    assert [name for name, checks in caught.items() if not checks] == []
    strange = {name for checks in caught.values() for name in checks} - checks_of(stem)
    assert strange == set()  # an answer that cannot be imported proves nothing
    alone = {checks[0] for checks in caught.values() if len(checks) == 1}
    assert checks_of(stem) - alone == set()


@pytest.mark.parametrize("stem", LESSONS)
def test_every_wrong_answer_says_its_misconception(stem):
    exercises = {e.id for e in read(LESSONS[stem]).exercises}
    answers = [path for path in ANSWERS if path.parent.name == stem]
    assert {path.stem.partition("__")[0] for path in answers} == exercises
    for path in answers:
        assert ast.get_docstring(ast.parse(path.read_text("utf-8"))), path.name


@pytest.mark.parametrize("stem", LESSONS)
def test_demonstrations_run_from_top_to_bottom(stem):
    lesson = read(LESSONS[stem])
    demonstrations = [part for part in lesson.parts if part.kind in ("python", "plot")]
    assert demonstrations
    code = "\n".join(part.body for part in demonstrations)
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        timeout=120,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("stem", LESSONS)
def test_a_plot_ends_in_lines_of_points(stem):
    namespace = {}
    for part in read(LESSONS[stem]).parts:
        if part.kind == "python":
            with contextlib.redirect_stdout(io.StringIO()):
                exec(part.body, namespace)
        elif part.kind == "plot":
            *before, last = ast.parse(part.body).body
            exec(compile(ast.Module(before, []), stem, "exec"), namespace)
            lines = eval(compile(ast.Expression(last.value), stem, "eval"), namespace)
            for label, points in lines.items():
                assert isinstance(label, str)
                assert len(points) >= 2
                assert all(len(point) == 2 for point in points)


@pytest.mark.parametrize("stem", LESSONS)
def test_the_bug_to_find_is_caught_by_the_checks(tmp_path, stem):
    lesson = read(LESSONS[stem])
    bugs = [part for part in lesson.parts if part.kind == "bug"]
    assert bugs
    for part in bugs:
        exercise = part.option("exercise")
        names = [n.name for n in ast.parse(part.body).body if isinstance(n, ast.FunctionDef)]
        (tmp_path / part.names[0]).mkdir()
        text = replace(source_of(lesson), names[0], part.body)
        result = check(tmp_path / part.names[0], lesson, text)
        assert result.outcome_of(exercise) == "failed"


@pytest.mark.parametrize("stem", LESSONS)
def test_code_that_is_quoted_stands_in_the_source(stem):
    lesson = read(LESSONS[stem])
    sources = [source_of(lesson), (CORE / "primitive.py").read_text("utf-8")]
    source = " ".join(" ".join(sources).split())
    prose = "\n".join(part.body for part in lesson.parts if part.kind == "prose")
    spans = [" ".join(span.split()) for span in re.findall(r"(?<!`)`([^`]+)`(?!`)", prose)]
    quotes = [span for span in spans if re.search(r"\bself\b|\brecord\.\w+\(", span)]
    assert [quote for quote in quotes if quote not in source] == []
    sentences = {name.removeprefix("check_").replace("_", " ") for name in checks_of(stem)}
    named = re.findall(r"[Tt]he check \*([^*]+)\*", " ".join(prose.split()))
    assert set(named) - sentences == set()
    assert quotes


@pytest.mark.parametrize("stem", LESSONS)
def test_figures_exist_and_say_what_they_show(stem):
    for part in read(LESSONS[stem]).parts:
        if part.kind == "prose":
            for alt, file in re.findall(r"!\[(.*?)\]\((.*?)\)", part.body):
                assert alt
                text = (CORE / "lessons" / file).read_text("utf-8")
                assert "currentColor" in text or "prefers-color-scheme" in text


@pytest.mark.oracle
@pytest.mark.parametrize("stem", LESSONS)
def test_what_pytorch_printed_is_what_it_prints(stem):
    namespace = {}
    parts = read(LESSONS[stem]).parts
    compared = 0
    for part, following in zip(parts, [*parts[1:], None], strict=True):
        if part.kind == "torch":
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed):
                exec(part.body, namespace)
            assert following is not None
            assert following.kind == "output"
            assert printed.getvalue().strip() == following.body.strip()
            compared += 1
    assert compared
