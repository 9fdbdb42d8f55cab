"""A lesson as plain Markdown, for a terminal: directives become text, figures their description.

Solutions are not shown, and what answers its questions is for afterwards (`answers.py`). Left out:
drawing it (`tito read`), and the page (`page.py`).
"""

from __future__ import annotations

from collections.abc import Mapping

from tinytorch.course.answers import answers_file, key, question
from tinytorch.course.bugs import answer_file, name_of
from tinytorch.course.catalogue import Subject, lesson_path, modules
from tinytorch.course.demonstrations import Shown
from tinytorch.course.figures import FIGURE
from tinytorch.course.lesson import Exercise, Lesson, Part
from tinytorch.course.plotting import as_text
from tinytorch.course.progress import spanned
from tinytorch.course.skeleton import skeleton
from tinytorch.course.source import text_of


def markdown(about: Subject, shown: Mapping[int, Shown], width: int) -> str:
    """Return the lesson as Markdown.

    shown  what its demonstrations came to; those that are missing are shown without output
    width  columns for plots
    """
    lesson = about.lesson
    start = skeleton(about)
    blocks: list[str] = []
    asked = 0
    for part in lesson.parts:
        if part.kind == "quiz":
            asked += 1
            blocks.append(question(part, asked))
        else:
            blocks.append(_block(part, lesson, about.file, start, shown.get(part.line), width))
    blocks.append(what_follows(lesson))
    if key(lesson):
        marked = f" To have its letters marked: `tito quiz {lesson.number}`." if asked else ""
        blocks.append(
            f"Your answers have a place in `{answers_file(lesson.number)}`, which "
            f"`tito start {lesson.number}` made.{marked} Afterwards, to compare them with those of "
            f"the lesson: `tito read {lesson.number} --answers`"
        )
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
        return f"**{part.names[0].capitalize()}.** {part.body}"
    return part.body


def what_follows(lesson: Lesson) -> str:
    """Where to go on after a lesson whose next one is not written yet; "" where it is."""
    later = [m for m in modules() if m.number > lesson.number]
    written = [m for m in later if lesson_path(m.module) is not None]
    if not later or later[:1] == written[:1]:
        return ""
    if not written:
        return (
            "No later lesson is written yet. What your framework can do already: "
            "`tito milestone list`"
        )
    missing = [m.number for m in later if m.number < written[0].number]
    return (
        f"{spanned(missing)} no lesson yet. Go on with {written[0].number}, {written[0].title}, "
        f"on the reference, which stands in for what you have not built: "
        f"`tito start {written[0].number}`"
    )


def check_line(lesson: Lesson, exercise: Exercise) -> str:
    """How an exercise is checked."""
    more = " (any of its names will do)" if len(exercise.names) > 1 else ""
    return f"`tito test {lesson.number} {exercise.id}`{more}"


def _exercise(exercise: Exercise, lesson: Lesson, file: str, start: str) -> str:
    names = f" ({listed(exercise.names[1:])} too)" if len(exercise.names) > 1 else ""
    needs = f" It builds on {listed(exercise.needs)}." if exercise.needs else ""
    code = "\n\n\n".join(text_of(start, name) for name in exercise.names)
    return (
        f"### Exercise: {exercise.id}{names}, {points(exercise)}\n\n"
        f"In your `{file}`.{needs} Check it: {check_line(lesson, exercise)}. "
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


def _fenced(code: str, language: str) -> str:
    ticks = "```"
    while ticks in code:
        ticks += "`"
    return f"{ticks}{language}\n{code}\n{ticks}"
