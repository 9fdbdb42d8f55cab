"""Lessons as pages of a site: Markdown for mkdocs with Material, one file a lesson.

`python -m tinytorch.course.site FOLDER` writes a page for each lesson of the installed tiers, with
what its demonstrations and measurements came to in this run. Hints, answers, rubrics and solutions
are folded. A figure that is missing and a demonstration that fails are errors. Left out: the site's
other pages and its menu (`.ci/site_source.py`).
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterable, Mapping
from html import escape
from importlib.metadata import version
from pathlib import Path

from tinytorch.course.answers import OPTION, answer
from tinytorch.course.bugs import name_of
from tinytorch.course.catalogue import Subject, lesson_path, modules, subject
from tinytorch.course.demonstrations import Shown, shown
from tinytorch.course.figures import FIGURE, inline
from tinytorch.course.lesson import Exercise, Part, read
from tinytorch.course.plotting import as_svg
from tinytorch.course.reading import bug_text, check_line, listed, points, what_follows
from tinytorch.course.skeleton import skeleton, solution
from tinytorch.course.source import text_of
from tinytorch.course.tiers import CourseModule, Tier

UNSEARCHED = "\n{ data-search-exclude }"  # what is folded is not to be read in a list of results


class SiteError(RuntimeError):
    """A page that cannot be made, with the lesson and what is missing."""


def file_name(about: Subject) -> str:
    """Return the name of a lesson's page: "01_tensor.md"."""
    return about.lesson.path.name


def page(about: Subject, found: Mapping[int, Shown]) -> str:
    """Return a lesson as Markdown for the site.

    found  what its demonstrations came to; all of them are needed

    Raises SiteError for a missing figure, and for a demonstration that failed or never ran.
    """
    return _Page(about, found).whole()


def modules_list(listed_tiers: Iterable[Tier]) -> str:
    """Return all modules of some tiers, a table for each: its lesson, and the time it takes."""
    tables = []
    for tier in listed_tiers:
        head = f"## {tier.distribution}\n\n{tier.title[:1].upper()}{tier.title[1:]}.\n"
        rows = ["| Module | Lesson |", "| --- | --- |", *map(_row, tier.modules)]
        tables.append("\n".join([head, *rows]))
    return "\n\n".join(tables)


def _row(module: CourseModule) -> str:
    name = f"{module.number} {module.title}"
    path = lesson_path(module.module)
    if path is None:
        return f"| {name} | not written yet |"
    meta = read(path).meta
    times = f"{meta['reading_minutes']} minutes to read, {meta['coding_minutes']} to code"
    return f"| [{name}]({path.name}) | {times} |"


class _Page:
    def __init__(self, about: Subject, found: Mapping[int, Shown]) -> None:
        self.about = about
        self.found = found
        self.start = skeleton(about)
        self.figures = 0
        self.questions = 0

    def whole(self) -> str:
        parts = [self.head(), *(self.part(part) for part in self.about.lesson.parts)]
        follows = what_follows(self.about.lesson)
        return "\n\n".join([*parts, follows] if follows else parts) + "\n"

    def head(self) -> str:
        lesson = self.about.lesson
        meta = lesson.meta
        total = sum(exercise.points for exercise in lesson.exercises)
        before = ", ".join(meta["prerequisites"]) or "none"
        return (
            f"# {lesson.number} {lesson.title}\n\n*{meta['capability']}*\n\n"
            f"{meta['reading_minutes']} minutes to read, {meta['coding_minutes']} to code; "
            f"{len(lesson.exercises)} exercises, {total} points. Modules before it: {before}. "
            f"Beside it: {meta['chapter']}. Begin: `tito start {lesson.number}`.\n\n"
            f"{_made()}\n{{ .made }}"
        )

    def part(self, part: Part) -> str:
        if part.kind == "prose":
            return FIGURE.sub(lambda match: self.figure(match[1], match[2]), part.body)
        if part.kind == "python":
            return _fenced(part.body, "python") + _output(self.shown(part).output)
        if part.kind == "torch":
            return _fenced(part.body, "python", title="PyTorch")
        if part.kind == "output":
            return _output(part.body).lstrip("\n")
        if part.kind == "plot":
            return self.plot(part)
        if part.kind == "given":
            code = "\n\n\n".join(text_of(self.start, name) for name in part.names)
            return _folded("abstract", f"Given: {listed(part.names)}", _fenced(code, "python"))
        if part.kind == "exercise":
            return self.exercise(self.about.lesson.exercise(part.names[0]))
        if part.kind == "bug":
            code = _fenced(part.body, "python", title=f"{name_of(part)}, with a bug")
            return f"{bug_text(part, self.about.lesson)}\n\n{code}"
        if part.kind == "reflect":
            rubric = "\n".join(f"- {line}" for line in part.options.get("rubric", []))
            return _boxed(
                "reflect",
                part.names[0].capitalize(),
                f"{part.body}\n\n{_folded('note', 'What a good answer holds', rubric)}",
            )
        return self.quiz(part)

    def shown(self, part: Part) -> Shown:
        found = self.found.get(part.line)
        if found is None or found.error:
            why = found.error if found else "it never ran: what is above it failed or took too long"
            raise SiteError(f"{self.about.lesson.path.name}:{part.line}: {why}")
        return found

    def figure(self, description: str, file: str) -> str:
        self.figures += 1
        found = inline(self.about.lesson.path.parent / file, description, self.figures)
        if found is None:
            raise SiteError(f"{self.about.lesson.path.name}: there is no figure {file}")
        return found

    def plot(self, part: Part) -> str:
        title = part.names[0]
        curves = self.shown(part).curves
        if not curves:
            raise SiteError(f"{self.about.lesson.path.name}:{part.line}: no points to plot")
        svg = as_svg(curves, title, part.option("x_label"), part.option("y_label"))
        figure = f"<figure>{svg}<figcaption>{escape(title)}</figcaption></figure>"
        return f"{figure}\n\n" + _folded(
            "note", "How it was measured", _fenced(part.body, "python")
        )

    def exercise(self, exercise: Exercise) -> str:
        needs = f" It builds on {listed(exercise.needs)}." if exercise.needs else ""
        code = "\n\n\n".join(text_of(self.start, name) for name in exercise.names)
        checked = check_line(self.about.lesson, exercise)
        blocks = [
            f"In your `{self.about.file}`.{needs} Check it: {checked}",
            _fenced(code, "python"),
        ]
        for i, hint in enumerate(exercise.hints, 1):
            blocks.append(_folded("tip", f"Hint {i} of {len(exercise.hints)}", hint))
        answers = _fenced(solution(self.about, exercise), ' { .python data-search-exclude="" }')
        blocks.append(_folded("success", "Solution", answers))
        heading = f"### Exercise: {listed(exercise.names)} {{ #exercise-{exercise.id} }}"
        return f"{heading}\n\n" + _boxed("exercise", points(exercise), "\n\n".join(blocks))

    def quiz(self, part: Part) -> str:
        self.questions += 1
        lines = part.body.splitlines()
        question = "\n".join(line for line in lines if not OPTION.match(line)).strip()
        options = "\n".join(f"1. {match[2]}" for line in lines if (match := OPTION.match(line)))
        return _boxed(
            "quiz",
            f"Question {self.questions}",
            f"{question}\n\n{options}\n\n{_folded('success', 'Answer', answer(part) + UNSEARCHED)}",
        )


def _made() -> str:
    """Say where the numbers of a page come from."""
    threads = os.environ.get("OMP_NUM_THREADS", "1")  # which `demonstrations.py` heeds
    return (
        "What is printed and plotted below was measured when this page was built, with Python "
        f"{platform.python_version()} and NumPy {version('numpy')} on {platform.system()} "
        f"({platform.machine()}), BLAS threads: {threads}. Outputs of PyTorch are recorded ones."
    )


def _boxed(kind: str, title: str, body: str) -> str:
    return f'!!! {kind} "{title}"\n\n{_indented(body)}'


def _folded(kind: str, title: str, body: str) -> str:
    return f'??? {kind} "{title}"\n\n{_indented(body)}'


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" if line.strip() else "" for line in text.splitlines())


def _fenced(code: str, language: str, title: str = "") -> str:
    ticks = "```"
    while ticks in code:
        ticks += "`"
    named = f' title="{title}"' if title else ""
    return f"{ticks}{language}{named}\n{code}\n{ticks}"


def _output(text: str) -> str:
    if not text.strip():
        return ""
    return "\n\n" + _fenced(text.rstrip(), " { .text .output }")


def main(folder: str) -> None:
    """Write the pages of all lessons into a folder, and say which."""
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    for module in modules():
        if lesson_path(module.module) is not None:
            about = subject(module.module)
            text = page(about, shown(about.lesson))
            (target / file_name(about)).write_text(text, "utf-8", newline="\n")
            print(f"{file_name(about)}: {len(about.lesson.exercises)} exercises")


if __name__ == "__main__":
    main(sys.argv[1])
