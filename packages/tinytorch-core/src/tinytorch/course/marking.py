"""What a student's words in `answers/06.md` come to: letters of the quiz marked, and what is open.

A quiz is answered with letters, first in the line: "b", "b, d", "c) because ...". Reflections are
not judged; they are open until something stands there. Left out: the file itself, and what good
answers hold (`answers.py`).
"""

from __future__ import annotations

import re
from itertools import pairwise

from tinytorch.course.answers import OPTION, answers_file
from tinytorch.course.bugs import answer_file
from tinytorch.course.lesson import Lesson, Part
from tinytorch.course.workspace import Workspace

RIGHT, WRONG, OPEN = "right", "wrong", "open"
ROOM = "My answer:"
FIRST = re.compile(r"\W*([a-h])(?![\w'])\)?")
FURTHER = re.compile(r"\s*(?:,|&|and\b|\s)\s*([a-h])\)?(?=\s*(?:[,.;:&]|and\b|$))")


def marks(lesson: Lesson, text: str) -> list[str]:
    """RIGHT, WRONG or OPEN for each question of the quiz, in order, of a file of answers."""
    quiz = [part for part in lesson.parts if part.kind == "quiz"]
    heads = [rf"\*\*{number}\.\*\*" for number in range(1, len(quiz) + 1)]
    return [_mark(part, room) for part, room in zip(quiz, _rooms(text, "Quiz", heads), strict=True)]


def unanswered(lesson: Lesson, text: str) -> list[str]:
    """The names of the questions to reflect on below which nothing is written."""
    names = [part.names[0] for part in lesson.parts if part.kind == "reflect"]
    rooms = _rooms(text, "Reflect", [f"### {re.escape(name.capitalize())}$" for name in names])
    return [name for name, room in zip(names, rooms, strict=True) if not room]


def still_open(workspace: Workspace, lesson: Lesson) -> list[str]:
    """What a lesson asks besides its exercises and has not got, each with where to go on."""
    number = lesson.number
    file = answers_file(number)
    text = read(workspace, number)
    found = []
    if any(part.kind == "bug" for part in lesson.parts) and not exposed(workspace, number):
        found.append(f"the bug (tito bug {number})")
    left = [i for i, mark in enumerate(marks(lesson, text), 1) if mark != RIGHT]
    if left:
        found.append(f"quiz {', '.join(map(str, left))} (tito quiz {number})")
    silent = unanswered(lesson, text)
    if silent:
        found.append(f"reflections {', '.join(silent)} ({file})")
    return found


def read(workspace: Workspace, number: str) -> str:
    """The student's file of answers, "" where there is none."""
    path = workspace.path(answers_file(number))
    return path.read_text("utf-8", errors="replace") if path.exists() else ""


def exposed(workspace: Workspace, number: str) -> bool:
    """Whether the operands as they are now were seen to expose the bug."""
    noted = workspace.noted("bugs")
    path = workspace.path(answer_file(number))
    known = noted.get(number) if isinstance(noted, dict) else None
    return path.exists() and known == workspace.hash(answer_file(number))


def note_exposed(workspace: Workspace, number: str) -> None:
    """Remember that the operands as they are now expose the bug."""
    noted = workspace.noted("bugs")
    known = noted if isinstance(noted, dict) else {}
    workspace.note("bugs", {**known, number: workspace.hash(answer_file(number))})


def _rooms(text: str, section: str, heads: list[str]) -> list[str]:
    """What stands after "My answer:" below each head of a section, "" where nothing does."""
    _, _, inside = text.partition(f"\n## {section}\n")
    inside = re.split(r"^## ", inside, maxsplit=1, flags=re.MULTILINE)[0]
    found = [re.search(rf"^{head}", inside, re.MULTILINE) for head in heads]
    starts = sorted(m.start() for m in found if m)
    ends = dict(pairwise([*starts, len(inside)]))
    blocks = [inside[m.start() : ends[m.start()]] if m else "" for m in found]
    return [block.partition(ROOM)[2].strip() for block in blocks]


def _mark(part: Part, room: str) -> str:
    said = _letters(room)
    options = [m for line in part.body.splitlines() if (m := OPTION.match(line))]
    right = {letter for letter, m in zip("abcdefgh", options, strict=False) if m[1] == "x"}
    return OPEN if not said else RIGHT if said == right else WRONG


def _letters(room: str) -> set[str]:
    line = room.partition("\n")[0].lower()
    at = FIRST.match(line)
    found = set()
    while at:
        found.add(at[1])
        at = FURTHER.match(line, at.end())
    return found
