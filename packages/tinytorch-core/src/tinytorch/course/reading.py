"""A lesson as plain Markdown, for a terminal: directives become text, figures their description.

Solutions are not shown, and answers of the quiz come last. Left out: drawing it (`tito read`), and
the page (`page.py`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from tinytorch.course.bugs import answer_file, name_of
from tinytorch.course.catalogue import Subject
from tinytorch.course.demonstrations import Shown
from tinytorch.course.figures import FIGURE
from tinytorch.course.lesson import Exercise, Lesson, Part
from tinytorch.course.plotting import as_text
from tinytorch.course.skeleton import skeleton
from tinytorch.course.source import text_of

OPTION = re.compile(r"- \[([ x])\] (.*)")


def markdown(about: Subject, shown: Mapping[int, Shown], width: int) -> str:
    """Return the lesson as Markdown.

    shown  what its demonstrations came to; those that are missing are shown without output
    width  columns for plots
    """
    lesson = about.lesson
    start = skeleton(about)
    blocks: list[str] = []
    answers: list[str] = []
    for part in lesson.parts:
        if part.kind == "quiz":
            blocks.append(_quiz(part, len(answers) + 1))
            answers.append(f"{len(answers) + 1}. {answer(part)}")
        else:
            blocks.append(_block(part, lesson, about.file, start, shown.get(part.line), width))
    if answers:
        blocks += ["## Answers to the quiz", "\n".join(answers)]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _block(
    part: Part, lesson: Lesson, file: str, start: str, found: Shown | None, width: int
) -> str:
    if part.kind == "prose":
        return FIGURE.sub(lambda m: f"*Figure: {m[1]}*", part.body)
    if part.kind == "python":
        return _fenced(part.body, "python") + output(found)
    if part.kind == "torch":
        return "With PyTorch:\n\n" + _fenced(part.body, "python")
    if part.kind == "output":
        return "It prints:\n\n" + _fenced(part.body, "text")
    if part.kind == "plot":
        return _plot(part, found, width)
    if part.kind == "given":
        return f"Given, in `{file}`: {listed(part.names)}"
    if part.kind == "exercise":
        return _exercise(lesson.exercise(part.names[0]), lesson, file, start)
    if part.kind == "bug":
        return bug_text(part, lesson) + "\n\n" + _fenced(part.body, "python")
    if part.kind == "reflect":
        rubric = "\n".join(f"- {line}" for line in part.options.get("rubric", []))
        return f"{part.body}\n\nWhat a good answer holds:\n\n{rubric}" if rubric else part.body
    return part.body


def _exercise(exercise: Exercise, lesson: Lesson, file: str, start: str) -> str:
    names = f" ({listed(exercise.names[1:])} too)" if len(exercise.names) > 1 else ""
    needs = f" It builds on {listed(exercise.needs)}." if exercise.needs else ""
    code = "\n\n\n".join(text_of(start, name) for name in exercise.names)
    return (
        f"### Exercise: {exercise.id}{names}, {points(exercise)}\n\n"
        f"In your `{file}`.{needs} Check it: `tito test {lesson.number} {exercise.id}`. "
        f"{len(exercise.hints)} hint{'s' if len(exercise.hints) > 1 else ''}: "
        f"`tito hint {lesson.number} {exercise.id}`\n\n" + _fenced(code, "python")
    )


def bug_text(part: Part, lesson: Lesson) -> str:
    """What to do with a piece of code that is wrong."""
    return (
        f"This `{name_of(part)}` is wrong. Find operands that show it: `tito bug {lesson.number}` "
        f"makes `{answer_file(lesson.number)}`, in which a function `inputs()` returns them; the "
        "same command then says whether they do."
    )


def points(exercise: Exercise) -> str:
    return f"{exercise.points} point{'' if exercise.points == 1 else 's'}"


def listed(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def output(found: Shown | None) -> str:
    """What a demonstration printed, as a block of its own."""
    return "\n\n" + _fenced(found.output.rstrip(), "text") if found and found.output else ""


def _plot(part: Part, found: Shown | None, width: int) -> str:
    title = f"**{part.names[0]}**"
    if found is None or not found.curves:
        return f"{title}\n\n" + _fenced(part.body, "python")
    rows = as_text(found.curves, part.option("x_label"), part.option("y_label"), width)
    return f"{title}, measured on this machine:\n\n" + _fenced("\n".join(rows), "text")


def _quiz(part: Part, number: int) -> str:
    letters = iter("abcdefgh")
    lines = [
        f"- {next(letters)}) {option[2]}" if (option := OPTION.match(line)) else line
        for line in part.body.splitlines()
    ]
    return f"**{number}.** " + "\n".join(lines)


def answer(part: Part) -> str:
    """The right options of a question by their letters, and why."""
    options = [m for line in part.body.splitlines() if (m := OPTION.match(line))]
    right = [letter for letter, m in zip("abcdefgh", options, strict=False) if m[1] == "x"]
    return f"{', '.join(right)}. {part.option('why')}"


def _fenced(code: str, language: str) -> str:
    ticks = "```"
    while ticks in code:
        ticks += "`"
    return f"{ticks}{language}\n{code}\n{ticks}"
