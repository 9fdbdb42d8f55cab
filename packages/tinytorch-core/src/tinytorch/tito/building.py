"""`tito start` and `tito complete`: begin a module, and let it join your framework.

`tito module start|test|complete` are the same commands under the books' names. Left out: checks
(`testing.py`), and what is derived from a lesson (`course/skeleton.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tinytorch.course import progress
from tinytorch.course.results import ModuleResult
from tinytorch.tito import syncing, testing
from tinytorch.tito.choosing import Target, choose, with_module

if TYPE_CHECKING:
    from tinytorch.tito.screen import Screen


ALIKE = (0.8, 1.25)  # yours / reference: what tells nothing about the code


@click.command()
@with_module
@click.option("--notebook", is_flag=True, help="Make the lesson a Jupyter notebook, too.")
def start(words: tuple[str, ...], module: str | None, notebook: bool) -> None:
    """Begin a module: its skeleton becomes a file of yours. Nothing is overwritten."""
    from tinytorch.course.skeleton import skeleton
    from tinytorch.tito.screen import Screen
    from tinytorch.tito.verdict import counted, near

    if not words and module is None:
        module = _first()
    target = choose(words, module, started=False, most=1)
    lesson, file = target.about.lesson, target.workspace.path(target.file)
    screen = Screen()
    screen.line(f"{lesson.number} {lesson.title}", "bold")
    screen.say(str(lesson.meta["capability"]))
    screen.line()
    if file.exists():
        screen.say(f"{near(file)} is there already, and stays as it is.")
    else:
        kept = target.workspace.versions(target.file)
        target.workspace.put(target.file, skeleton(target.about))
        points = sum(e.points for e in lesson.exercises)
        screen.say(f"Made {near(file)}", "good")
        screen.say(
            f"{counted(len(lesson.exercises), 'exercise')} in it, {counted(points, 'point')}. "
            f"About {lesson.meta['reading_minutes']} minutes to read, "
            f"{lesson.meta['coding_minutes']} to code."
        )
        if kept:
            screen.say(
                f"You had one before, and it is kept: tito undo {lesson.number} brings it back.",
                "notice",
            )
    _make_room_for_answers(target, screen)
    target.note(None)
    borrowed = _borrowed(target)
    if borrowed:
        screen.say(f"It builds on {', '.join(borrowed)}: the installed reference serves for that.")
    screen.line()
    if notebook:
        syncing.make(screen, target)
        return
    screen.line(f"Next: tito read {lesson.number}", "bold")
    screen.say(f"Then write the first exercise, and: tito test {lesson.number}")
    if not target.joined:
        screen.say(f"To run a script with this file before it joins: tito try {lesson.number} FILE")


def _make_room_for_answers(target: Target, screen: Screen) -> None:
    """Write the lesson's questions into a file of the student's, unless it is there already."""
    from tinytorch.course.answers import answers_file, template
    from tinytorch.course.workspace import write
    from tinytorch.tito.verdict import near

    place = target.workspace.path(answers_file(target.number))
    text = template(target.about.lesson)
    if text and not place.exists():
        write(place, text)
        screen.say(f"Made {near(place)}, for your answers to the lesson's questions", "good")


def _first() -> str:
    """The module to begin where none is named: the first that is not there."""
    from tinytorch.course.workspace import Workspace

    known = progress.standings(workspace := Workspace.current())
    waiting = progress.to_begin(workspace, known)
    if not waiting:
        raise click.UsageError("Every module that has a lesson is begun: tito list")
    return waiting[0].module.number


def _borrowed(target: Target) -> list[str]:
    """The prerequisites that are not the student's, each with its title."""
    needed = [str(number) for number in target.about.lesson.meta["prerequisites"]]
    return [
        f"{s.module.number} {s.module.title}"
        for s in progress.standings(target.workspace)
        if s.module.number in needed and s.state != progress.YOURS
    ]


@click.command()
@with_module
@testing.ALONE
def complete(words: tuple[str, ...], module: str | None, with_: str | None) -> None:
    """Run all checks of a module on your file; if they pass, it joins your framework."""
    from tinytorch.tito.screen import Screen

    target = choose(words, module, most=1)
    screen = Screen()
    syncing.first(screen, target)
    result = testing.run(screen, target, alone=with_ is not None)
    if not result.passed:
        refused = "stays in your framework, broken," if target.joined else "does not join"
        refusal = f"{target.file} {refused} until all checks pass."
        testing.report(screen, target, result, refusal)
        raise click.exceptions.Exit(1)
    _joined(screen, target, result)


def _joined(screen: Screen, target: Target, result: ModuleResult) -> None:
    from tinytorch.course.marking import still_open
    from tinytorch.tito import verdict

    lesson, workspace = target.about.lesson, target.workspace
    was_in = target.joined
    workspace.keep(target.file)  # a later edit that breaks it can be undone
    workspace.join(target.file)
    verdict.exercises(screen, list(lesson.exercises), result, target.standing().revealed)
    screen.line()
    what = "is part of your framework, and sound" if was_in else "has joined your framework"
    screen.say(f"{lesson.number} {lesson.title} {what}.", "good")
    screen.say(f"`import {lesson.module}` means {target.file} in this workspace.")
    screen.line()
    screen.say(f"{lesson.meta['capability']} Yes.", "bold")
    _show_pace(screen, target)
    known = progress.standings(workspace)
    mine = sum(s.state == progress.YOURS for s in known)
    screen.line()
    screen.say(f"{mine} of {len(known)} modules are yours.")
    _within_reach(screen, target)
    left = still_open(workspace, lesson)
    if left:
        screen.say(f"Still open in {lesson.number}: {'; '.join(left)}.")
    command, why = progress.next_step(workspace, known)
    screen.line(f"Next: {command}", "bold")
    screen.say(why)


def _within_reach(screen: Screen, target: Target) -> None:
    """Name the checkpoints that this module completes, and that have no answer yet."""
    from tinytorch.course import capabilities

    known = capabilities.answers(target.workspace)
    asked = [a for a in known if a.state == capabilities.OPEN and target.number in a.yours]
    if asked:
        first, *others = asked
        also = f", and {', '.join(answer.number for answer in others)}" if others else ""
        screen.say(f"Within reach: checkpoint {first.number}, {first.title}{also}.")
        screen.line(f"    tito checkpoint {first.number}")


def _show_pace(screen: Screen, target: Target) -> None:
    """How fast the student's module is, where something of it can be timed."""
    from tinytorch.course.pace import measure
    from tinytorch.tito.live import passing

    with passing(screen) as show:
        show("timing yours beside the reference ...")
        paces = measure(target.about, target.workspace.root)
    if not paces:
        return
    rows = [
        (pace.what, _milliseconds(pace.yours), _milliseconds(pace.reference), _ratio(pace.ratio))
        for pace in paces
    ]
    screen.line()
    screen.table(("timed", "yours", "reference", "ratio"), rows, right=(1, 2, 3))
    slower = any(pace.low > ALIKE[1] for pace in paces)
    kernels = " The reference may use a kernel made for speed there (module 17)." if slower else ""
    screen.say(
        "Milliseconds of CPU time. Between "
        f"{ALIKE[0]} and {ALIKE[1]} a ratio is called about 1: one and the same program, measured "
        f"twice, may differ by that.{kernels}",
        "dim",
    )


def _ratio(ratio: float) -> str:
    return "about 1" if ALIKE[0] <= ratio <= ALIKE[1] else f"{ratio:.2f}"


def _milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:.3g}"


@click.group()
def module() -> None:
    """The same as start, test and complete, as the books write it."""


module.add_command(start)
module.add_command(testing.test)
module.add_command(complete)
