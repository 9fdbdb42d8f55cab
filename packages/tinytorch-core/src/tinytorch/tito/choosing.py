"""What a course command is about: the workspace, the module and the exercise that were named.

`tito test 06`, `tito test autograd`, `tito test --module autograd` and, after work on it, plain
`tito test` mean the same; so does an exercise without its module. Left out: what is done with them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import click

from tinytorch.course.catalogue import Subject, find_module, lesson_path, subject, unknown_module
from tinytorch.course.lesson import Exercise, LessonError
from tinytorch.course.progress import BORROWED, Standing, current_module, standings
from tinytorch.course.tiers import CourseModule
from tinytorch.course.workspace import Workspace

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True)
class Target:
    """What a command works on."""

    workspace: Workspace
    module: CourseModule
    about: Subject
    exercise: Exercise | None = None

    @property
    def number(self) -> str:
        return self.module.number

    @property
    def file(self) -> str:
        return self.about.file

    @property
    def joined(self) -> bool:
        return self.file in self.workspace.joined

    def standing(self) -> Standing:
        """How the module stands now."""
        return next(s for s in standings(self.workspace) if s.file == self.file)

    def text(self) -> str:
        """The student's file. A file that is no text is a click error."""
        try:
            return self.workspace.path(self.file).read_text("utf-8")
        except UnicodeDecodeError as error:
            raise click.ClickException(
                f"{self.file} is not UTF-8 text ({error.reason} at byte {error.start}): save it as "
                f"UTF-8, or go back to the skeleton: tito reset {self.number}"
            ) from None

    def note(self, exercise: str | None) -> None:
        """Remember that this is what is being worked at."""
        self.workspace.note("at", {"file": self.file, "exercise": exercise})


def with_module(command: Command) -> Command:
    """The arguments `[MODULE] [EXERCISE]` and `--module`, as `words` and `module`."""
    command = click.argument("words", nargs=-1, metavar="[MODULE] [EXERCISE]")(command)
    return click.option("--module", metavar="NAME", help="The same as the argument: 06, autograd.")(
        command
    )


def choose(
    words: tuple[str, ...], module: str | None = None, *, started: bool = True, most: int = 2
) -> Target:
    """Find what was named, or the module last worked at. Wrong names are usage errors.

    started  whether the student's file must be there
    most     how many words are taken
    """
    workspace = Workspace.current()
    rest = list(words)
    if module is None and rest and find_module(rest[0]) is not None:
        module = rest.pop(0)
    if len(rest) > (most - 1):
        if most == 1 and len(rest) == 1 and module is None:
            raise click.UsageError(unknown_module(rest[0]))
        raise click.UsageError(f"One word too many: {rest[-1]!r}.")
    name = rest[0] if rest else None
    if module is not None:
        found = find_module(module)
        if found is None:
            raise click.UsageError(unknown_module(module))
    else:
        found = _implied(workspace, name)
    if lesson_path(found.module) is None:
        raise click.ClickException(
            f"module {found.number}, {found.title}, has no lesson yet: the installed reference "
            "serves. What there is: tito list"
        )
    about = subject(found.module)
    exercise = None
    if name is not None:
        try:
            exercise = about.lesson.exercise(name)
        except LessonError as error:
            raise click.UsageError(f"{error}") from None
    if started and not workspace.path(about.file).exists():
        if workspace.versions(about.file):
            raise click.ClickException(
                f"there is no {about.file}. Your last version of it is kept: "
                f"tito undo {found.number}; or begin anew: tito start {found.number}"
            )
        raise click.ClickException(f"there is no {about.file} yet: tito start {found.number}")
    return Target(workspace, found, about, exercise)


def _implied(workspace: Workspace, name: str | None) -> CourseModule:
    """The module that is meant where none is named: that of the exercise, or the last one."""
    known = standings(workspace)
    at = current_module(workspace, known)
    if name is None:
        if at is None:
            first = next((s.module.number for s in known if s.lesson is not None), "01")
            raise click.UsageError(f"Which module? None is begun yet: tito start {first}")
        return at.module
    ordered = sorted(known, key=lambda s: (s is not at, s.state == BORROWED))
    for standing in ordered:
        if any(name in exercise.names for exercise in standing.exercises):
            return standing.module
    if at is not None and name.isidentifier() and at.lesson is not None:
        listed = ", ".join(exercise.id for exercise in at.lesson.exercises)
        raise click.UsageError(
            f"{name!r} is neither a module nor an exercise of {at.module.number}, which has "
            f"{listed}. {unknown_module(name)}"
        )
    raise click.UsageError(unknown_module(name))
