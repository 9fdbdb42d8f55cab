"""Shows what checks found: one line an exercise, then the first trouble in full.

Left out: running checks, and what to do next.
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterable
from pathlib import Path

from tinytorch.course.lesson import Exercise, Lesson
from tinytorch.course.progress import current_exercise
from tinytorch.course.results import (
    FAILED,
    PASSED,
    TIMEOUT,
    UNWRITTEN,
    WAITING,
    CheckResult,
    ModuleResult,
    Place,
)
from tinytorch.course.source import definitions
from tinytorch.tito.screen import Screen

WORDS = {
    PASSED: ("done", "good"),
    FAILED: ("wrong", "bad"),
    TIMEOUT: ("never ends", "bad"),
    UNWRITTEN: ("not written", "notice"),
    WAITING: ("waiting", "dim"),
}
WORD = max(len(word) for word, _ in WORDS.values())


def show(
    screen: Screen,
    lesson: Lesson,
    result: ModuleResult,
    revealed: Iterable[str] = (),
    only: Exercise | None = None,
) -> None:
    """Write the whole verdict; `only` the lines of one exercise, where no other was checked."""
    if result.error:
        _cannot_import(screen, result)
        return
    shown = [only] if only else list(lesson.exercises)
    exercises(screen, shown, result, revealed)
    trouble(screen, lesson, result, shown)
    earned = sum(e.points for e in shown if result.outcome_of(e.id) == PASSED)
    done = sum(result.outcome_of(e.id) == PASSED for e in shown)
    total = sum(e.points for e in shown)
    screen.line()
    screen.line(
        f"{done} of {counted(len(shown), 'exercise')}, {earned} of {counted(total, 'point')}",
        "good" if done == len(shown) else "",
    )


def exercises(
    screen: Screen, shown: list[Exercise], result: ModuleResult, revealed: Iterable[str] = ()
) -> None:
    """One line an exercise: how it stands, its name, its points, what it waits for."""
    seen = set(revealed)
    width = max(len(e.id) for e in shown)
    for exercise in shown:
        word, style = WORDS[result.outcome_of(exercise.id)]
        points = counted(exercise.points, "point")
        waits = _waits_for(exercise, result)
        notes = [waits, "solution seen" if exercise.id in seen else ""]
        note = ", ".join(n for n in notes if n)
        room = screen.columns - WORD - 4
        forms = (  # what is left out first where the terminal is narrow
            f"{exercise.id:<{width}}  {points:<9} {note}",
            f"{exercise.id}  {note}",
            f"{exercise.id}  {waits}",
        )
        rest = next((f.rstrip() for f in forms if len(f.rstrip()) <= room), exercise.id)
        screen.line(f"  {screen.styled(f'{word:<{WORD}}', style)}  {rest}")


def _waits_for(exercise: Exercise, result: ModuleResult) -> str:
    checks = [c for c in result.checks if c.exercise == exercise.id and c.outcome == WAITING]
    waits = [c.message for c in checks if c.message.startswith("waiting ")]
    return waits[0].removeprefix("waiting ") if waits else ""


def trouble(screen: Screen, lesson: Lesson, result: ModuleResult, shown: list[Exercise]) -> None:
    """The first wrong exercise in full; where nothing is wrong, what to write next."""
    exercise = current_exercise(lesson, result, shown)
    if exercise is None:
        return
    outcome = result.outcome_of(exercise.id)
    mine = [c for c in result.checks if c.exercise == exercise.id]
    screen.line()
    if outcome == UNWRITTEN:
        _to_write(screen, lesson, result, exercise)
        return
    first = next(c for c in mine if c.outcome in (FAILED, TIMEOUT))
    name = _definition(exercise, first)
    inside = f" (in exercise {exercise.id})" if name != exercise.id else ""
    screen.line(f"{name}{inside}: {WORDS[outcome][0]}", "bad")
    screen.say(f"A check says: {first.sentence}.")
    screen.line()
    explain(screen, first)
    others = sum(c.outcome in (FAILED, TIMEOUT) for c in mine) - 1
    if others:
        verb = "checks fail" if others > 1 else "check fails"
        screen.line()
        screen.say(f"{others} more {verb} in {exercise.id}; this one first.", "dim")


def _definition(exercise: Exercise, check: CheckResult) -> str:
    """Which definition of an exercise a check is about: the one it calls, or names first."""
    for said in (check.message.partition("\n")[0], check.sentence):
        named = [name for name in re.findall(r"[\w.]+", said) if name in exercise.names]
        if named:
            return named[0]
    return exercise.id


def explain(screen: Screen, check: CheckResult) -> None:
    """What one check that did not pass says, the line of the student's, and what was printed."""
    style = ""
    for line in check.message.splitlines():
        row = line.startswith(10 * " ")  # of a matrix, below what is expected or came
        hang = 10 if row or line.startswith(("expected  ", "got       ")) else 2
        style = "bad" if line.startswith("got       ") or (row and style) else ""
        screen.line(screen.wrapped(line, indent=4, hang=hang), style)
    if check.place is not None:
        screen.line()
        show_place(screen, check.place)
    if check.output.strip():
        screen.line()
        screen.line("    It printed:")
        for line in check.output.rstrip().splitlines()[-12:]:
            screen.line(f"      {line}", "dim")


def show_place(screen: Screen, place: Place) -> None:
    """A line of the student's, with its file and number, and a caret where one is known."""
    screen.line(f"    {near(Path(place.file))}, line {place.line}", "bold")
    if not place.code:
        return
    code, column, length = clipped(place, screen.columns - 6)
    screen.line(f"      {code}")
    if column:
        screen.line(" " * (5 + column) + "^" * length, "bad")


def clipped(place: Place, room: int) -> tuple[str, int, int]:
    """A line of code in `room` columns, the column of its fault in it, from 1, and its length.

    The column is 0 where it is not known.
    """
    code, column = place.code, place.column or 0
    length = max((place.end_column or 0) - column, 1)
    if len(code) > room:
        start = max(min(column - room // 3, len(code) - room + 3), 0)
        before = "..." if start else ""
        after = "..." if len(code) - start + len(before) > room else ""
        kept = code[start : start + room - len(before) - len(after)]
        code = f"{before}{kept}{after}"
        column = max(column - start + len(before), 1) if column else 0
        length = min(length, len(before) + len(kept) - column + 1)
    return code, column, length


def _to_write(screen: Screen, lesson: Lesson, result: ModuleResult, exercise: Exercise) -> None:
    screen.line(f"To write next: {exercise.id}", "notice")
    first = next((c for c in result.checks if c.exercise == exercise.id and c.place), None)
    line = f", line {first.place.line}" if first and first.place else ""
    screen.line(f"    {near(Path(result.file))}{line}", "bold")
    summary = _summary(Path(result.file), exercise.id)
    if summary:
        screen.say(summary, indent=4)


def _summary(file: Path, name: str) -> str:
    """The first line of a definition's docstring."""
    try:
        text = file.read_text("utf-8")
        [found] = definitions(text)[name]
        node = ast.parse(text)
    except (OSError, SyntaxError, ValueError, KeyError):
        return ""
    for inner in ast.walk(node):
        if isinstance(inner, ast.FunctionDef) and inner.end_lineno == found.end:
            return (ast.get_docstring(inner) or "").partition("\n")[0]
    return ""


def _cannot_import(screen: Screen, result: ModuleResult) -> None:
    theirs = Path(result.place.file) if result.place else Path(result.file)
    screen.line(f"{near(theirs)} cannot be used yet.", "bad")
    screen.say(result.error, indent=4)
    if result.place is not None:
        screen.line()
        show_place(screen, result.place)
    if result.place is not None and theirs != Path(result.file):
        screen.line()
        screen.say(
            f"It is another of your modules, and this one imports it. To go on without it: "
            f"tito test {result.number} --with reference"
        )


def near(path: Path) -> str:
    """A path as one would type it here."""
    try:
        relative = os.path.relpath(path)
    except ValueError:  # another drive
        return str(path)
    return str(path) if relative.startswith(os.path.join("..", "..", "..")) else relative


def counted(number: int, noun: str) -> str:
    """ "1 point", "3 points"."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
