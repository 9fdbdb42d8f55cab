"""`tito test`: run the checks of a module, or of one exercise, on the student's file.

Left out: the running (`course/runner.py`) and the picture of its result (`verdict.py`).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tinytorch.course import progress
from tinytorch.course.catalogue import file_of, modules
from tinytorch.course.lesson import Exercise
from tinytorch.course.results import UNWRITTEN, ModuleResult
from tinytorch.tito import syncing
from tinytorch.tito.choosing import Target, choose, with_module

if TYPE_CHECKING:
    from tinytorch.tito.screen import Screen

ALONE = click.option(
    "--with",
    "with_",
    type=click.Choice(["reference"]),
    help="Leave your other modules out; the installed ones serve.",
)


@click.command()
@with_module
@ALONE
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def test(words: tuple[str, ...], module: str | None, with_: str | None, as_json: bool) -> None:
    """Run the checks of a module, or of one exercise, on your file.

    Without a module: the one last worked at. Exit status 0 only if all passed.
    """
    from tinytorch.tito.jsonout import emit
    from tinytorch.tito.screen import Screen

    target = choose(words, module)
    screen = Screen(quiet=as_json)
    syncing.first(screen, target)
    result = run(screen, target, alone=with_ is not None)
    if as_json:
        emit(as_data(target, result))
    else:
        report(screen, target, result)
    if not result.passed:
        raise click.exceptions.Exit(1)


def run(screen: Screen, target: Target, *, alone: bool = False) -> ModuleResult:
    """Run the checks, showing which one is at work, and remember where the student is."""
    from tinytorch.tito.live import passing

    with passing(screen) as show:
        show(f"checking {target.file} ...")
        exercise = target.exercise.id if target.exercise else None
        result = progress.check(
            target.workspace,
            target.about,
            exercise,
            alone=alone,
            begun=lambda sentence: show(f"checking: {sentence}"),
        )
    current = progress.current_exercise(target.about.lesson, result)
    if target.exercise is not None:
        current = target.exercise
    target.note(current.id if current else None)
    return result


def as_data(target: Target, result: ModuleResult) -> dict[str, object]:
    """The result with the exercises' outcomes and points, for `--json`."""
    shown = [target.exercise] if target.exercise else list(target.about.lesson.exercises)
    return {
        **result.as_dict(),
        "exercises": [
            {"exercise": e.id, "outcome": result.outcome_of(e.id), "points": e.points}
            for e in shown
        ],
        "pytest": pytest_line(target),
    }


def report(screen: Screen, target: Target, result: ModuleResult, refusal: str = "") -> None:
    """The verdict, what it refuses, the next step; after a no, the same as a pytest command."""
    from tinytorch.tito import verdict

    lesson = target.about.lesson
    screen.line(f"{lesson.number} {lesson.title}, your {target.file}", "bold")
    screen.line()
    revealed = target.standing().revealed
    verdict.show(screen, lesson, result, revealed, target.exercise)
    if refusal:
        screen.say(refusal, "bad")
    screen.line()
    command, why = next_step(target, result)
    screen.line(f"Next: {command}", "bold")
    if why:
        screen.say(why)
    if not result.passed:
        screen.line()
        screen.line(f"With pytest: {pytest_line(target)}", "dim")  # one line, to be copied


def next_step(target: Target, result: ModuleResult) -> tuple[str, str]:
    """The one next command after these checks, and a word on it."""
    number = target.number
    if result.error:
        broken = _where(target, result)
        return f"tito test {broken}", "once that is mended."
    following = _to_write(target) if result.passed and target.exercise is not None else None
    if following is not None:
        later, line = following
        command = f"write {later.id}, then tito test {number} {later.id}"
        return command, f"The next exercise: {target.file}, line {line}."
    if result.passed and target.exercise is not None:
        return f"tito test {number}", "All checks of the module, to see what comes next."
    if result.passed and not target.joined:
        return f"tito complete {number}", "It joins your framework."
    if result.passed:
        known = progress.standings(target.workspace)
        return progress.next_step(target.workspace, known)
    exercise = target.exercise or progress.current_exercise(target.about.lesson, result)
    named = f" {exercise.id}" if exercise else ""
    if exercise and result.outcome_of(exercise.id) == UNWRITTEN:
        command = f"write {exercise.id}, then tito test {number}{named}"
        return command, f"For a hint: tito hint {number}{named}"
    return f"tito hint {number}{named}", ""


def _to_write(target: Target) -> tuple[Exercise, int] | None:
    """The exercise to write after the one that was tested, with its line; None where none is."""
    from tinytorch.course.skeleton import skeleton, unwritten
    from tinytorch.course.source import definitions, text_of

    text = target.text()
    order = [e.id for e in target.about.lesson.exercises]
    here = order.index(target.exercise.id) if target.exercise else -1
    there = definitions(text)
    left = [e for e in unwritten(target.about, text) if e.names[0] in there]
    left.sort(key=lambda e: order.index(e.id) < here)  # what follows comes first
    if not left:
        return None
    start = skeleton(target.about)
    names = [n for n in left[0].names if n in there and text_of(text, n) == text_of(start, n)]
    return left[0], there[(names or left[0].names)[0]][0].body + 1


def _where(target: Target, result: ModuleResult) -> str:
    """The number of the module that cannot be imported: this one, or another of the student's."""
    file = Path(result.place.file) if result.place else None
    for module in modules():
        if file == target.workspace.path(file_of(module.module)):
            return module.number
    return target.number


def pytest_line(target: Target) -> str:
    """The command that runs the same checks with pytest's own output, debugger and options."""
    only = f" --exercise {target.exercise.id}" if target.exercise else ""
    return f"python -m pytest -p tinytorch.course.mine --pyargs {target.about.checks_module}{only}"
