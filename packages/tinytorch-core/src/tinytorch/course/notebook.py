"""The notebook's side of the course: `%load_ext tinytorch.course.notebook`, in IPython's kernel.

    %lesson 01             this notebook is about lesson 01: its module is the student's file
    %%build add            the definition below goes into that file, and counts from now on
    %tito test 01 add      any command of tito
    %%bug 01               the operands that expose the lesson's bug, and whether they do

Errors are told in a sentence, and stop "Run all". Nothing is imported from IPython, which hands its
shell over. Left out: making notebooks (`notebook_made.py`), `tito sync` (`sync.py`).
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tinytorch.course import notebook_errors, overlay
from tinytorch.course.bugs import answer_file
from tinytorch.course.catalogue import Subject, find_module, lesson_path, subject, unknown_module
from tinytorch.course.notebook_cells import Build, CellError, Cut, cut, remember
from tinytorch.course.notebook_live import Running, is_builtin
from tinytorch.course.notebook_made import notebook_file
from tinytorch.course.overlay import WorkspaceError
from tinytorch.course.plotting import Points, as_svg, as_text
from tinytorch.course.sync import BOTH, CELL, FILE, SAME, build, changes, file_text
from tinytorch.course.workspace import Workspace

START = """\
{error}

A notebook writes into a workspace, and this one lies in none; so it is in Colab. Make one, and run
this cell again:
    %tito init my-tinytorch
    %cd my-tinytorch"""


def load_ipython_extension(shell: Any) -> None:
    """Add the commands above to a kernel."""
    notebook_errors.install(shell)
    magics = Magics(shell)
    for name in ("lesson", "tito"):
        shell.register_magic_function(_told(getattr(magics, name)), "line", name)
    for name in ("build", "bug"):
        shell.register_magic_function(_told(getattr(magics, name)), "cell", name)


class Magics:
    """What the commands do."""

    def __init__(self, shell: Any) -> None:
        self.shell = shell
        self.running: dict[str, Running] = {}  # by the number of the lesson
        self.at: Running | None = None

    def lesson(self, line: str) -> None:
        """Let the student's file count in this kernel. Again: as it is now."""
        about = _about(line.strip())
        try:
            workspace = Workspace.current()
        except WorkspaceError as error:
            named = overlay.WORKSPACE in os.environ or overlay.find(Path.cwd()) is not None
            raise CellError(str(error) if named else START.format(error=error)) from None
        made = not workspace.path(about.file).exists()
        text = file_text(workspace, about)
        number = about.lesson.number
        running = self.running.get(number)
        if running is None:
            running = self.running[number] = Running(workspace, about)
        self.at = running
        running.load(text)
        print(f"{'Made' if made else 'At work:'} {workspace.path(about.file)}")
        if running.lent:
            count = len(running.lent)
            print(
                f"{count} definition{'s are' if count > 1 else ' is'} not written yet; the "
                f"installed reference serves for {'them' if count > 1 else 'it'} in this notebook."
            )

    def build(self, line: str, cell: str) -> None:
        """Put the definitions of a cell into the student's file, and let them count."""
        if self.at is None:
            raise CellError("run the first cell of this notebook before all others (%lesson ...)")
        running, names = self.at, tuple(line.split())
        about, workspace = running.about, running.workspace
        place = f"{notebook_file(about)}, cell {' '.join(names[:1])}"
        source = Build(place, names, cell.rstrip())
        found = cut(about, source)
        remember(source)
        changed = changes(workspace, about, found)
        stale = self._put(running, found, changed)  # first: what cannot run is not written
        build(workspace, about, found, changed)
        self._name(running, found)
        _report(running, changed, stale)

    def _put(self, running: Running, found: Cut, changed: Mapping[str, str]) -> list[str]:
        """Let the definitions count; return the classes that a restart has to exchange."""
        text = file_text(running.workspace, running.about)
        for statement in found.imports:
            running.add("", statement, found.place)
        for name, code in found.helpers.items():
            if changed[name] == FILE:
                running.take(name, text)
            else:
                running.add(name, code, found.place)
        stale = []
        for name, code in found.texts.items():
            if changed[name] == FILE:
                counts = running.take(name, text)
            else:
                counts = running.put(name, code, found.place, found.starts[name])
            if not counts:
                stale.append(name)
        return stale

    def _name(self, running: Running, found: Cut) -> None:
        """Give the notebook the names of what it defines, but none of Python's own."""
        for name in (*found.texts, *found.helpers):
            if "." not in name and not is_builtin(name):
                self.shell.user_ns[name] = getattr(running.module, name)

    def tito(self, line: str) -> None:
        """Run a command of tito, and fail if it fails."""
        status = run_tito(shlex.split(line))
        if status:
            raise CellError(f"tito {line}: not yet (exit status {status})")

    def bug(self, line: str, cell: str) -> None:
        """Write the answer to a lesson's bug, and judge it."""
        about = _about(line.strip())
        workspace = Workspace.current()
        file = answer_file(about.lesson.number)
        workspace.put(file, f"{cell.rstrip()}\n")
        if "NotImplementedError" in cell:
            print(f"{file} gives no operands yet.")
            return
        self.tito(f"bug {about.lesson.number}")


def run_tito(arguments: list[str]) -> int:
    """Run tito in a process of its own, show what it says as it says it, return its status."""
    environment = {**os.environ, overlay.NOTEBOOK: "1", "PYTHONIOENCODING": "utf-8"}
    environment.pop(overlay.BUILDING, None)
    process = subprocess.Popen(
        [sys.executable, "-m", "tinytorch", *arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    )
    assert process.stdout is not None
    try:
        with process.stdout as lines:
            for text in lines:
                print(text, end="")
        return process.wait()
    except BaseException:  # Ctrl-C: nothing goes on behind the notebook
        process.kill()
        process.wait()
        raise


def plot(curves: Mapping[str, Points], *, title: str, x_label: str, y_label: str) -> Plot:
    """The curves of a measurement: lists of (x, y) by label, as a picture."""
    return Plot(curves, title, x_label, y_label)


class Plot:
    """What a notebook shows as a picture, and a terminal as text."""

    def __init__(
        self, curves: Mapping[str, Points], title: str, x_label: str, y_label: str
    ) -> None:
        self._curves = {str(name): list(points) for name, points in curves.items()}
        self._labels = title, x_label, y_label

    def _repr_svg_(self) -> str:
        svg = as_svg(self._curves, *self._labels)
        return svg.replace("<svg ", '<svg style="background:#fff;color:#1d2430;width:40rem" ', 1)

    def __repr__(self) -> str:
        title, x_label, y_label = self._labels
        return "\n".join([title, *as_text(self._curves, x_label, y_label, 79)])


def _report(running: Running, changed: Mapping[str, str], stale: list[str]) -> None:
    file, number = running.about.file, running.about.lesson.number

    def named(*sides: str) -> str:
        return ", ".join(
            n for n, side in changed.items() if side in sides and n not in running.lent
        )

    lent = ", ".join(name for name in changed if name in running.lent)
    if written := named(CELL, BOTH):
        print(f"In {file} now: {written}")
    if both := named(BOTH):
        print(f"{both}: what {file} held was changed there, too. It is kept: tito undo {number}")
    if newer := named(FILE):
        print(
            f"{newer}: changed in {file} and not here, so the file's counts. To have it here, too: "
            f"save the notebook, and %tito sync {number} --take file"
        )
    if same := named(SAME):
        print(f"In {file}: {same}")
    if lent:
        print(f"Not written yet: {lent}. The reference serves in this notebook.")
    if stale:
        print(f"{', '.join(stale)}: restart the kernel, so that the new class counts.")


def _about(word: str) -> Subject:
    module = find_module(word)
    if module is None:
        raise CellError(unknown_module(word))
    if lesson_path(module.module) is None:
        raise CellError(f"module {module.number}, {module.title}, has no lesson yet")
    return subject(module.module)


def _told(magic: Callable[..., None]) -> Callable[..., None]:
    """Let errors that were written for the student show without a traceback."""

    def call(*arguments: str) -> None:
        try:
            magic(*arguments)
        except CellError:
            raise
        except WorkspaceError as error:
            raise CellError(str(error)) from None

    call.__doc__ = magic.__doc__
    return call
