"""`tito quiz`: which letters in `answers/06.md` are right. What would be right is not said.

Left out: reading the letters (`course/marking.py`), and the answers (`tito read 06 --answers`).
"""

from __future__ import annotations

from pathlib import Path

import click

from tinytorch.tito.choosing import choose, with_module

STYLES = {"right": "good", "wrong": "bad", "open": "notice"}


@click.command()
@with_module
def quiz(words: tuple[str, ...], module: str | None) -> None:
    """Mark your letters for a lesson's quiz. Exit status 0 if all are right."""
    from tinytorch.course.answers import answers_file
    from tinytorch.course.marking import OPEN, RIGHT, WRONG, marks, read
    from tinytorch.tito.screen import Screen
    from tinytorch.tito.verdict import near

    target = choose(words, module, started=False, most=1)
    lesson, number = target.about.lesson, target.number
    questions = [part for part in lesson.parts if part.kind == "quiz"]
    if not questions:
        raise click.ClickException(f"lesson {number} has no quiz")
    file = target.workspace.path(answers_file(number))
    if not file.exists():
        raise click.ClickException(
            f"there is no {answers_file(number)}, in which the answers stand: tito start {number}"
        )
    screen = Screen()
    given = marks(lesson, read(target.workspace, number))
    screen.line(f"{number} {lesson.title}, your letters in {near(Path(file))}", "bold")
    screen.line()
    for i, (part, mark) in enumerate(zip(questions, given, strict=True), 1):
        word = screen.styled(f"{mark:<5}", STYLES[mark])
        first, *rest = screen.wrapped(_asked(part.body), indent=11).splitlines()
        screen.line(f"  {word} {i:>2} {first.strip()}")
        for line in rest:
            screen.line(line)
    screen.line()
    right = given.count(RIGHT)
    screen.line(
        f"{right} of {len(given)} right, {given.count(WRONG)} wrong, {given.count(OPEN)} open",
        "good" if right == len(given) else "",
    )
    if right == len(given):
        screen.line(f"Why, and good answers to the other questions: tito read {number} --answers")
        return
    screen.say('Write letters after "My answer:", as in "b" or "b, d".')
    screen.line(f"Next: tito quiz {number}", "bold")
    raise click.exceptions.Exit(1)


def _asked(body: str) -> str:
    """The first paragraph of a question: what it asks, without options."""
    return " ".join(body.strip().partition("\n\n")[0].replace("`", "").split())
