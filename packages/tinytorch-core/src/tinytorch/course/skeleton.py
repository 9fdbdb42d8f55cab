"""What is derived from a lesson and its module: the skeleton, one exercise of it, the solution.

Left out: cutting source (`source.py`), and writing any of it into a workspace.
"""

from __future__ import annotations

import difflib

from tinytorch.course.catalogue import Subject
from tinytorch.course.lesson import Exercise
from tinytorch.course.source import definitions, replace, text_of, without_bodies


def skeleton(subject: Subject) -> str:
    """The module with the body of every exercise replaced by a NotImplementedError."""
    names = tuple(name for e in subject.lesson.exercises for name in e.names)
    return without_bodies(subject.reference, names, subject.lesson.number)


def restored(subject: Subject, exercise: Exercise, text: str) -> str:
    """Return a student's `text` with the definitions of one exercise as the skeleton has them.

    A definition that is missing comes back where it was. Raises SyntaxError for a text that
    cannot be cut.
    """
    start = skeleton(subject)
    for name in exercise.names:
        if name in definitions(text):
            text = replace(text, name, text_of(start, name))
        else:
            text = _inserted(text, start, name)
    return text


def _inserted(text: str, start: str, name: str) -> str:
    """Put a definition behind the nearest one before it that is still there."""
    parent = name.rpartition(".")[0]
    before = list(definitions(start))
    siblings = [n for n in before[: before.index(name)] if n.rpartition(".")[0] == parent]
    present = definitions(text)
    lines = text.splitlines()
    anchor = next((n for n in reversed(siblings) if n in present), None)
    at = present[anchor][-1].end if anchor else len(lines)
    gap = [""] if parent else ["", ""]
    lines[at:at] = [*gap, *text_of(start, name).splitlines()]
    return "\n".join(lines) + "\n"


def solution(subject: Subject, exercise: Exercise) -> str:
    """The reference's source of an exercise."""
    return "\n\n\n".join(text_of(subject.reference, name) for name in exercise.names)


def difference(subject: Subject, exercise: Exercise, text: str) -> list[str]:
    """A unified diff from the student's definitions to the reference's; empty where none."""
    lines: list[str] = []
    for name in exercise.names:
        found = difflib.unified_diff(
            text_of(text, name).splitlines(),
            text_of(subject.reference, name).splitlines(),
            f"yours      {name}",
            f"reference  {name}",
            lineterm="",
        )
        lines += found
    return lines


def unwritten(subject: Subject, text: str) -> list[Exercise]:
    """The exercises that a text leaves as the skeleton has them; those it lacks, too."""
    start = skeleton(subject)
    try:
        present = definitions(text)
    except SyntaxError:
        return []
    return [
        exercise
        for exercise in subject.lesson.exercises
        if any(
            len(present.get(name, [])) != 1 or text_of(text, name) == text_of(start, name)
            for name in exercise.names
        )
    ]
