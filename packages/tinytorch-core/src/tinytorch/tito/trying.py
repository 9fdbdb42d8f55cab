"""`tito try`: Python, at a prompt or with a script, in which an unfinished file counts.

It sets what the overlay reads, TINYTORCH_BUILDING, and runs an ordinary Python. Left out: which
modules are the student's (`course/overlay.py`).
"""

from __future__ import annotations

import builtins
import os
import signal
import subprocess
import sys
from pathlib import Path

import click

import tinytorch
from tinytorch.course import overlay
from tinytorch.course.catalogue import find_module
from tinytorch.course.lesson import Lesson
from tinytorch.tito.choosing import choose


def _import_of(lesson: Lesson) -> str:
    """An import of something of the module that takes no name from Python's own."""
    names = [n for n in lesson.definitions if "." not in n and n not in dir(builtins)]
    public = [name for name in names if not name.startswith("_")]
    classes = [name for name in public if name[0].isupper()]
    name = next(iter([*classes, *public]), "*")
    package = "tinytorch" if name in dir(tinytorch) else lesson.module
    return f"from {package} import {name}"


@click.command("try", context_settings={"ignore_unknown_options": True})
@click.argument("words", nargs=-1, metavar="[MODULE] [SCRIPT [ARGUMENTS]]", type=click.UNPROCESSED)
def try_(words: tuple[str, ...]) -> None:
    """Start Python with your file of a module, finished or not; or run a script with it.

    Exit status: that of Python.
    """
    from tinytorch.tito.screen import Screen

    named = words[:1] if words and find_module(words[0]) is not None else ()
    target = choose(named, most=1)
    script = list(words[len(named) :])
    if script and not Path(script[0]).is_file():
        raise click.UsageError(f"There is no script {script[0]!r}, and no module of that name.")
    if not script:
        screen = Screen()
        screen.say(f"Your {target.file} counts in here, finished or not. To leave: exit()")
        screen.line(f"Try: {_import_of(target.about.lesson)}", "dim")
        screen.line()
    building = [f for f in os.environ.get(overlay.BUILDING, "").split(",") if f]
    environment = {
        **os.environ,
        overlay.WORKSPACE: str(target.workspace.root),
        overlay.BUILDING: ",".join(dict.fromkeys([*building, target.file])),
    }
    sys.stdout.flush()
    # Ctrl-C is for the Python inside, which goes on; a handler, unlike SIG_IGN, is not inherited
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        done = subprocess.run([sys.executable, *script], env=environment, check=False)
    finally:
        signal.signal(signal.SIGINT, before)
    if done.returncode:
        status = done.returncode if done.returncode > 0 else 128 - done.returncode
        raise click.exceptions.Exit(status)
