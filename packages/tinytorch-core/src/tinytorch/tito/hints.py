"""`tito hint`, `tito solution`, `tito diff`: help, from a nudge to the reference's own code.

A solution that was shown before its exercise passed is recorded in `tinytorch.toml`. Left out:
hints themselves, which stand in the lessons.
"""

from __future__ import annotations

import sys

import click

from tinytorch.course.lesson import Exercise
from tinytorch.course.results import PASSED
from tinytorch.tito.choosing import Target, choose, with_module


@click.command()
@with_module
@click.option("--all", "every", is_flag=True, help="All hints of the exercise at once.")
def hint(words: tuple[str, ...], module: str | None, every: bool) -> None:
    """Show the next hint of the exercise at work, or of the one named."""
    from tinytorch.tito.screen import Screen

    target = choose(words, module)
    exercise = target.exercise or at_work(target)
    if exercise is None:
        raise click.ClickException(
            f"nothing is left to write in {target.file}. Checked: tito test {target.number}"
        )
    screen = Screen()
    seen = len(exercise.hints) if every else next_hint(target, exercise)
    which = "all hints" if every else f"hint {seen} of {len(exercise.hints)}"
    screen.line(f"{exercise.id}: {which}", "bold")
    for text in exercise.hints[0 if every else seen - 1 : seen]:
        screen.say(text.replace("\n", " "), indent=2)
    screen.line()
    if seen < len(exercise.hints):
        screen.line(f"Another: tito hint {target.number} {exercise.id}", "dim")
    else:
        screen.say("That was the last. The reference's own code, recorded as seen:", "dim")
        asked = "" if sys.stdin.isatty() else " --yes"  # where nobody can be asked
        screen.line(f"  tito solution {target.number} {exercise.id}{asked}", "dim")


def at_work(target: Target) -> Exercise | None:
    """The exercise last worked at in this module, or the first that is not written."""
    from tinytorch.course.skeleton import unwritten

    at = target.workspace.noted("at")
    if isinstance(at, dict) and at.get("file") == target.file and at.get("exercise"):
        for exercise in target.about.lesson.exercises:
            if exercise.id == at["exercise"]:
                return exercise
    return next(iter(unwritten(target.about, target.text())), None)


def next_hint(target: Target, exercise: Exercise) -> int:
    """Count one more hint of an exercise as seen, from 1; after the last one, begin again."""
    key = f"{target.number} {exercise.id}"
    noted = target.workspace.noted("hints")
    seen = noted if isinstance(noted, dict) else {}
    before = seen.get(key, 0)
    number = before + 1 if isinstance(before, int) and before < len(exercise.hints) else 1
    target.workspace.note("hints", {**seen, key: number})
    return number


@click.command()
@with_module
@click.option("--yes", is_flag=True, help="Do not ask.")
def solution(words: tuple[str, ...], module: str | None, yes: bool) -> None:
    """Show the reference's code of an exercise. Recorded, if yours does not pass yet."""
    from tinytorch.course.skeleton import solution as code
    from tinytorch.tito.screen import Screen

    target = choose(words, module, started=False)
    exercise = target.exercise
    if exercise is None:
        raise click.UsageError(f"Of which exercise? {names(target)}")
    screen = Screen()
    key = f"{target.number} {exercise.id}"
    if key not in target.workspace.revealed and not passes(target, exercise):
        if not yes:
            _ask(exercise)
        target.workspace.reveal(key)
        screen.say(f"Recorded in tinytorch.toml: the solution of {exercise.id} was seen.", "notice")
        screen.line()
    for line in code(target.about, exercise).splitlines():
        screen.line(line)
    screen.line()
    screen.say("Read it, close it, and write it in your own words; then: tito test", "dim")


def _ask(exercise: Exercise) -> None:
    if not sys.stdin.isatty():
        raise click.ClickException(
            f"showing the solution of {exercise.id} is recorded in tinytorch.toml; "
            "if that is meant, add --yes"
        )
    question = f"Show the solution of {exercise.id}? That is recorded in tinytorch.toml."
    if not click.confirm(question, default=False):
        raise click.exceptions.Exit(1)


@click.command()
@with_module
def diff(words: tuple[str, ...], module: str | None) -> None:
    """Compare your code with the reference's, for exercises that pass or were revealed."""
    from tinytorch.course.skeleton import difference
    from tinytorch.tito.screen import Screen

    target = choose(words, module)
    text = target.text()
    chosen = [target.exercise] if target.exercise else list(target.about.lesson.exercises)
    may = [e for e in chosen if _may_see(target, e)]
    if not may:
        which = chosen[0].id if target.exercise else "no exercise"
        verb = "does not pass yet" if target.exercise else "passes yet"
        raise click.ClickException(
            f"{which} {verb}, and its solution was not revealed. "
            f"See how it stands: tito test {target.number}"
        )
    screen = Screen()
    for exercise in may:
        lines = difference(target.about, exercise, text)
        if not lines:
            screen.line(f"{exercise.id}: the same as the reference", "good")
        for line in lines:
            screen.line(line, _colour(line))
    left_out = len(chosen) - len(may)
    if left_out:
        screen.line()
        screen.say(f"{left_out} not compared: neither passed nor revealed.", "dim")


def _colour(line: str) -> str:
    if line.startswith(("---", "+++")):
        return "bold"
    return {"+": "good", "-": "bad", "@": "dim"}.get(line[:1], "")


def _may_see(target: Target, exercise: Exercise) -> bool:
    return f"{target.number} {exercise.id}" in target.workspace.revealed or passes(target, exercise)


def passes(target: Target, exercise: Exercise) -> bool:
    """Whether the file as it is now passes an exercise; it is checked where that is not known."""
    from tinytorch.course import progress

    if not target.workspace.path(target.file).exists():
        return False
    result = target.standing().result or progress.check(target.workspace, target.about)
    return result.outcome_of(exercise.id) == PASSED


def names(target: Target) -> str:
    """The exercises of a module, to choose from."""
    return f"There are {', '.join(e.id for e in target.about.lesson.exercises)}."
