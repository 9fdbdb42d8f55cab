"""`tito sync`, and what `tito start --notebook` and commands that check do about a notebook.

A saved notebook's cells go into the student's file before that is checked, so that both routes
check the same. Left out: which definitions those are (`course/sync.py`), and what is done with a
notebook while it runs (`course/notebook.py`).
"""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import TYPE_CHECKING

import click

from tinytorch.course import overlay
from tinytorch.tito.choosing import Target, choose, with_module
from tinytorch.tito.finding import pip

if TYPE_CHECKING:
    from tinytorch.course.sync import Synced
    from tinytorch.tito.screen import Screen


@click.command()
@with_module
@click.option(
    "--take",
    type=click.Choice(["notebook", "file"]),
    help="Where both were changed: whose counts. With file, the notebook gets what it lacks.",
)
def sync(words: tuple[str, ...], module: str | None, take: str | None) -> None:
    """Put the cells of your saved notebook into your file: what was changed in the notebook.

    Exit status 1 where a definition was changed in both, which stays as it is on both sides.
    """
    from tinytorch.course.sync import sync as together
    from tinytorch.tito.screen import Screen
    from tinytorch.tito.verdict import near

    target = choose(words, module, started=False, most=1)
    path = target.workspace.path(_file(target))
    if not path.exists():
        raise click.ClickException(
            f"there is no {near(path)} yet: tito start {target.number} --notebook"
        )
    screen = Screen()
    found = together(target.workspace, target.about, take or "")
    if not (found.written or found.newer or found.conflicts or found.returned):
        screen.say(f"{target.file} holds what {near(path)} does: nothing to do.")
        return
    _say(screen, target, found)
    screen.line()
    if found.conflicts:
        raise click.exceptions.Exit(1)
    screen.line(f"Next: tito test {target.number}", "bold")


def first(screen: Screen, target: Target) -> None:
    """Before a file is checked: put into it what was changed in its saved notebook, and say so."""
    path = target.workspace.path(_file(target))
    if os.environ.get(overlay.NOTEBOOK) or not path.exists():
        return
    from tinytorch.course.sync import sync as together

    found = together(target.workspace, target.about)
    if found.written or found.conflicts:
        _say(screen, target, found)
        if not screen.quiet:
            screen.line()


def make(screen: Screen, target: Target) -> None:
    """Write the notebook of a lesson, unless it is there, and say how to open it."""
    from tinytorch.course.notebook_made import as_json
    from tinytorch.course.sync import file_text
    from tinytorch.course.sync import sync as together
    from tinytorch.course.workspace import write
    from tinytorch.tito.verdict import near

    path = target.workspace.path(_file(target))
    if path.exists():
        screen.say(f"{near(path)} is there already, and stays as it is.")
    else:
        write(path, as_json(target.about, file_text(target.workspace, target.about)))
        together(target.workspace, target.about)  # from here on it is known which side changes
        screen.say(f"Made {near(path)}", "good")
        screen.say(f"Its cells and {target.file} are kept together: work in either.")
    screen.line()
    if find_spec("jupyterlab") is None:
        screen.line("To have Jupyter:", "bold")
        screen.line(f"  {pip('install', 'tinytorch-core[notebook]')}")
    screen.line(f"Next: jupyter lab {_quoted(near(path))}", "bold")
    screen.say("Or open that file in VS Code.")


def _say(screen: Screen, target: Target, found: Synced) -> None:
    from tinytorch.tito.verdict import near

    notebook, number = near(target.workspace.path(_file(target))), target.number
    if found.written:
        screen.notice(f"From {notebook} into {target.file}: {', '.join(found.written)}")
    if found.returned:
        screen.notice(f"From {target.file} into {notebook}: {', '.join(found.returned)}")
        screen.notice("Close it in Jupyter and open it again.")
    if found.newer:
        screen.notice(
            f"Changed in {target.file} only, which counts: {', '.join(found.newer)}. Into the "
            f"notebook, too: tito sync {number} --take file"
        )
    if found.conflicts:
        screen.notice(
            f"Changed both in {notebook} and in {target.file}, and left as it is in both: "
            f"{', '.join(found.conflicts)}. {target.file} counts. Choose: tito sync {number} "
            "--take notebook, or --take file"
        )
    if found.kept is not None:
        screen.notice(f"What was replaced is kept: {near(found.kept)}")
        option = " --notebook" if found.returned else ""
        screen.notice(f"To take this back: tito undo {number}{option}")


def _file(target: Target) -> str:
    from tinytorch.course.notebook_made import notebook_file

    return notebook_file(target.about)


def _quoted(path: str) -> str:
    return f'"{path}"' if " " in path else path
