"""A lesson as a Jupyter notebook, as data of nbformat 4.5: prose, code to write, checks, questions.

A cell that begins with `%%build add` holds that definition of the student's file, and each exercise
is followed by the cell that checks it. nbgrader finds its metadata: exercises are its solution
cells, checks its locked tests with points, answers to reflect questions are graded by hand. Figures
are in the file. No solution and no hint is. Left out: what the cells do when they are run
(`notebook.py`), and reading them back (`notebook_cells.py`).
"""

from __future__ import annotations

import ast
import base64
import hashlib
import json
import re
import textwrap
from html import escape
from typing import Any

from tinytorch._version import __version__
from tinytorch.course.answers import OPTION, answer
from tinytorch.course.bugs import bug_of, template
from tinytorch.course.catalogue import Subject
from tinytorch.course.figures import FIGURE
from tinytorch.course.lesson import Exercise, Part
from tinytorch.course.reading import bug_text, listed, points
from tinytorch.course.skeleton import skeleton
from tinytorch.course.source import definitions, text_of

Cell = dict[str, Any]
KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
LONGEST_ID = 64  # characters, says nbformat


def notebook_file(about: Subject) -> str:
    """Where a workspace holds the notebook of a lesson: "notebooks/01_tensor.ipynb"."""
    return f"notebooks/{about.lesson.path.stem}.ipynb"


def as_json(about: Subject, text: str | None = None) -> str:
    """The notebook as the text of its file; `text` as in `notebook`."""
    return json.dumps(notebook(about, text), indent=1, ensure_ascii=False) + "\n"


def notebook(about: Subject, text: str | None = None) -> dict[str, Any]:
    """Return the notebook of a lesson.

    text  the student's file, whose definitions the cells then hold; without it the skeleton's
    """
    return {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {
            "kernelspec": KERNEL,
            "language_info": {"name": "python"},
            "tinytorch": {"lesson": about.lesson.number, "version": __version__},
        },
        "cells": _Cells(about, text).all(),
    }


def cell_source(text: str, names: tuple[str, ...]) -> str:
    """A cell that holds these definitions of a module's text, methods without indentation."""
    code = "\n\n\n".join(textwrap.dedent(text_of(text, name)) for name in names)
    return f"%%build {' '.join(names)}\n{code}"


class _Cells:
    def __init__(self, about: Subject, text: str | None) -> None:
        self.about = about
        self.lesson = about.lesson
        self.start = skeleton(about)
        self.text = text if text is not None else self.start
        self.there = definitions(self.text)
        self.section = "start"
        self.count = 0  # of cells without a name of their own, in this section
        self.questions = 0

    def all(self) -> list[Cell]:
        cells = [self.head(), self.set_up()]
        for part in self.lesson.parts:
            cells += getattr(self, part.kind)(part)
        return [*cells, *self.end()]

    def head(self) -> Cell:
        meta, number = self.lesson.meta, self.lesson.number
        first = self.lesson.exercises[0].id if self.lesson.exercises else ""
        return _markdown(
            "lesson",
            f"# {number} {self.lesson.title}\n\n*{meta['capability']}*\n\n"
            f"{meta['reading_minutes']} minutes to read, {meta['coding_minutes']} to code. "
            f"Beside it: {meta['chapter']}.\n\n"
            f"**Here you write your `{self.about.file}`.** A cell that begins with `%%build` puts "
            "the definitions in it into that file, and they count in this notebook from then on. "
            "The cell below it runs the lesson's checks on the file. What is not written yet comes "
            "from the installed reference, so the examples run from the start.\n\n"
            "The commands of `tito` work here with a `%` in front; stuck? "
            f"`%tito hint {number} {first}`. Run the next cell before all others, and again when "
            f"you have changed `{self.about.file}` elsewhere.",
        )

    def set_up(self) -> Cell:
        code = f"%load_ext tinytorch.course.notebook\n%lesson {self.lesson.number}"
        return _code("begin", code, _nbgrader("begin", locked=True))

    def prose(self, part: Part) -> list[Cell]:
        for heading in re.findall(r"^##+ (.*)$", part.body, re.MULTILINE):
            self.section = re.sub(r"[^a-z0-9]+", "-", heading.lower()).strip("-")
            self.count = 0
        return [_markdown(self.next_id(), FIGURE.sub(self.figure, part.body))]

    def figure(self, found: re.Match[str]) -> str:
        """An SVG file within the text; Jupyter takes no SVG as an attachment."""
        path = self.lesson.path.parent / found[2]
        if path.suffix != ".svg" or not path.is_file():
            return f"*Figure: {found[1]}*"
        # paper and ink: a picture does not know the theme of the page it is in
        svg = path.read_text("utf-8").replace(
            "<svg ", '<svg style="background:#fff;color:#1d2430" ', 1
        )
        data = base64.b64encode(svg.encode()).decode()
        return f'<img alt="{escape(found[1])}" src="data:image/svg+xml;base64,{data}">'

    def python(self, part: Part) -> list[Cell]:
        return [_code(self.next_id(), part.body)]

    def plot(self, part: Part) -> list[Cell]:
        """The last expression, the curves, goes to `plot`."""
        last = ast.parse(part.body).body[-1]
        lines = part.body.splitlines()
        before, curves = lines[: last.lineno - 1], lines[last.lineno - 1 :]
        labels = [
            f"    title={part.names[0]!r},",
            f"    x_label={part.option('x_label')!r},",
            f"    y_label={part.option('y_label')!r},",
        ]
        drawn = ["plot(", *(f"    {line}".rstrip() for line in curves), *labels, ")"]
        drawn[len(curves)] += ","
        start = ["from tinytorch.course.notebook import plot", ""]
        return [_code(self.next_id(), "\n".join([*start, *before, *drawn]))]

    def torch(self, part: Part) -> list[Cell]:
        body = f"With PyTorch:\n\n{_fenced(part.body, 'python')}"
        return [_markdown(self.next_id(), body)]

    def output(self, part: Part) -> list[Cell]:
        return [_markdown(self.next_id(), f"It prints:\n\n{_fenced(part.body, 'text')}")]

    def given(self, part: Part) -> list[Cell]:
        said = f"Given, in your `{self.about.file}`: {listed(part.names)}"
        metadata = {} if len(self.build(part.names).splitlines()) < 50 else _folded()
        return [
            _markdown(_id("about", part.names[0]), said),
            _code(_id("given", part.names[0]), self.build(part.names), metadata),
        ]

    def exercise(self, part: Part) -> list[Cell]:
        exercise = self.lesson.exercise(part.names[0])
        name = exercise.id
        return [
            _markdown(_id("about", name), self.task(exercise)),
            _code(
                _id("exercise", name),
                self.build(exercise.names),
                _nbgrader(_id("exercise", name), solution=True),
            ),
            _code(
                _id("test", name),
                f"%tito test {self.lesson.number} {name}",
                _nbgrader(_id("test", name), grade=True, locked=True, points=exercise.points),
            ),
        ]

    def task(self, exercise: Exercise) -> str:
        needs = f" It builds on {listed(exercise.needs)}." if exercise.needs else ""
        count = len(exercise.hints)
        return (
            f"### Exercise: {listed(exercise.names)}\n\n{points(exercise)}.{needs} "
            f"{count} hint{'s' if count > 1 else ''}: `%tito hint {self.lesson.number} "
            f"{exercise.id}`"
        )

    def build(self, names: tuple[str, ...]) -> str:
        """The student's definitions; the skeleton's where not all of them are there, once."""
        once = all(len(self.there.get(name, ())) == 1 for name in names)
        return cell_source(self.text if once else self.start, names)

    def bug(self, part: Part) -> list[Cell]:
        wrong = _markdown(
            _id("bug", part.names[0]),
            f"{bug_text(part, self.lesson)}\n\n{_fenced(part.body, 'python')}\n\n"
            "Here the next cell is that file, and asks when you run it.",
        )
        if part is not bug_of(self.about):
            return [wrong]
        answer = f"%%bug {self.lesson.number}\n{template(self.about, part).rstrip()}"
        return [wrong, _code(_id("operands", part.names[0]), answer)]

    def reflect(self, part: Part) -> list[Cell]:
        name = part.names[0]
        rubric = "\n".join(f"- {line}" for line in part.options.get("rubric", []))
        folded = f"\n\n{_details('What a good answer holds', rubric)}" if rubric else ""
        metadata = _nbgrader(
            _id("reflect", name), grade=True, solution=True, points=int(part.option("points", "1"))
        )
        return [
            _markdown(_id("question", name), part.body + folded),
            _markdown(_id("reflect", name), "*Your answer:*", metadata),
        ]

    def quiz(self, part: Part) -> list[Cell]:
        self.questions += 1
        letters = iter("abcdefgh")
        lines = [
            f"- {next(letters)}) {option[2]}" if (option := OPTION.match(line)) else line
            for line in part.body.splitlines()
        ]
        question = f"**{self.questions}.** " + "\n".join(lines)
        folded = _details("Answer", answer(part))
        return [_markdown(f"quiz-question-{self.questions}", f"{question}\n\n{folded}")]

    def end(self) -> list[Cell]:
        said = (
            "When all tests above pass, your module joins your framework: `import tinytorch` means "
            "yours in this workspace from then on."
        )
        return [
            _markdown("about-complete", said),
            _code("complete", f"%tito complete {self.lesson.number}"),
        ]

    def next_id(self) -> str:
        self.count += 1
        return _id(self.section, str(self.count))


def _id(kind: str, name: str) -> str:
    """An id that nbformat takes, the same for the same name: "test-Counter-step"."""
    made = f"{kind}-{name.replace('.', '-')}"
    if len(made) > LONGEST_ID:
        made = f"{made[: LONGEST_ID - 9]}-{hashlib.sha256(made.encode()).hexdigest()[:8]}"
    return made


def _markdown(name: str, text: str, metadata: dict[str, Any] | None = None) -> Cell:
    return {"cell_type": "markdown", "id": name, "metadata": metadata or {}, "source": _lines(text)}


def _code(name: str, text: str, metadata: dict[str, Any] | None = None) -> Cell:
    return {
        "cell_type": "code",
        "id": name,
        "metadata": metadata or {},
        "execution_count": None,
        "outputs": [],
        "source": _lines(text),
    }


def _lines(text: str) -> list[str]:
    """As Jupyter writes a source, so that a difference in git is one of lines."""
    return text.splitlines(keepends=True)


def _nbgrader(
    name: str,
    *,
    grade: bool = False,
    solution: bool = False,
    locked: bool = False,
    points: int | None = None,
) -> dict[str, Any]:
    """What nbgrader wants to know of a cell, by its schema 3."""
    said = {
        "schema_version": 3,
        "grade_id": name,
        "grade": grade,
        "solution": solution,
        "locked": locked,
        "task": False,
    }
    return {"nbgrader": said if points is None else {**said, "points": points}}


def _folded() -> dict[str, Any]:
    """What lets Jupyter show a long cell as one line, until somebody opens it."""
    return {"jupyter": {"source_hidden": True}}


def _details(title: str, body: str) -> str:
    return f"<details><summary>{title}</summary>\n\n{body}\n\n</details>"


def _fenced(code: str, language: str) -> str:
    return f"````{language}\n{code}\n````"
