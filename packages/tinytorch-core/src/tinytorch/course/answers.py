"""What a student answers in words: the file for it, and what to compare it with.

`tito start` makes `answers/06.md`, with the lesson's questions and room below each; it belongs to
the student from then on. What a good answer holds, and the quiz's answers, are not in it: they are
for afterwards (`tito read 06 --answers`). Left out: marking (`marking.py`).
"""

from __future__ import annotations

import re

from tinytorch.course.lesson import Lesson, Part

OPTION = re.compile(r"- \[([ x])\] (.*)")


def answers_file(number: str) -> str:
    """Where a workspace holds the answers to a lesson's questions."""
    return f"answers/{number}.md"


def template(lesson: Lesson) -> str:
    """The questions of a lesson, with room for answers; "" where it asks none."""
    reflect = [part for part in lesson.parts if part.kind == "reflect"]
    quiz = [part for part in lesson.parts if part.kind == "quiz"]
    if not reflect and not quiz:
        return ""
    blocks = [
        f"# {lesson.number} {lesson.title}: my answers",
        *([f"Your letters, marked: `tito quiz {lesson.number}`"] if quiz else []),
        f"Afterwards, to compare: `tito read {lesson.number} --answers`",
    ]
    if reflect:
        blocks.append("## Reflect")
    for part in reflect:
        blocks += [f"### {part.names[0].capitalize()}", part.body, "My answer:\n"]
    if quiz:
        blocks.append("## Quiz")
    for number, part in enumerate(quiz, 1):
        blocks += [question(part, number), "My answer:"]
    return "\n\n".join(blocks) + "\n"


def key(lesson: Lesson) -> str:
    """What good answers hold, and the quiz's, as Markdown; "" where nothing was asked."""
    blocks: list[str] = []
    for part in lesson.parts:
        if part.kind == "reflect" and part.options.get("rubric"):
            listed = "\n".join(f"- {line}" for line in part.options["rubric"])
            blocks += [f"### {part.names[0].capitalize()}: what a good answer holds", listed]
    quiz = [part for part in lesson.parts if part.kind == "quiz"]
    if quiz:
        blocks.append("### Quiz")
        blocks.append("\n".join(f"{i}. {answer(part)}" for i, part in enumerate(quiz, 1)))
    return "\n\n".join(blocks)


def question(part: Part, number: int) -> str:
    """A question of the quiz, its options with letters."""
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
