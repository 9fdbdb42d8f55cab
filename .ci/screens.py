"""Pictures of the terminal: `tito` at work in a real pseudo-terminal. Prints JSON, HTML by name.

A student's first evening is played once, in a new workspace; the reference supplies their right
answers. What a terminal would show is read off an emulated one (pyte), so bars that redraw
themselves look as they do in the end. A command that comes to another end than the page tells of
stops the build. The folder of the build is shown as ~. POSIX only. Left out: where on the site a
picture stands (`site_source.py`).
"""

from __future__ import annotations

import fcntl
import json
import os
import pty
import struct
import subprocess
import sys
import tempfile
import termios
from collections.abc import Iterator
from html import escape
from itertools import groupby
from pathlib import Path

import pyte

import tinytorch.core

COLUMNS, ROWS = 80, 200
DROPPED = (
    "TINYTORCH_WORKSPACE",
    "PYTHONSAFEPATH",
    "NO_COLOR",
    "COLUMNS",
    "LINES",
    "PYTEST_ADDOPTS",
)


class Session:
    """Commands run one after the other in a folder; each leaves a picture."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        kept = {name: value for name, value in os.environ.items() if name not in DROPPED}
        self.environment = {**kept, "TERM": "xterm-256color", "PYTHONUTF8": "1"}

    def run(self, command: str, status: int, says: str, answer: str = "") -> str:
        """Run a command of tito and return its picture.

        status, says  how it must end, and words that must stand on the screen
        answer        what to type when it asks yes or no
        """
        ended, lines = self._run(command, answer)
        text = "\n".join("".join(cell.data for cell in line).rstrip() for line in lines)
        if ended != status or says not in " ".join(text.split()):
            wanted = f"{command} should end with {status} and say {says!r}"
            sys.exit(f"{wanted}; it ended with {ended} and said:\n{text}")
        return picture(command, lines)

    def _run(self, command: str, answer: str) -> tuple[int, list[list[pyte.screens.Char]]]:
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, COLUMNS, 0, 0))
        words = command.split()
        assert words[0] == "tito"
        process = subprocess.Popen(
            [sys.executable, "-m", "tinytorch", *words[1:]],
            cwd=self.folder,
            env=self.environment,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)
        screen = pyte.Screen(COLUMNS, ROWS)
        stream = pyte.ByteStream(screen)
        for chunk in _read(master):
            stream.feed(chunk)
            if answer and b"[Y/n]" in chunk:
                os.write(master, answer.encode())
        os.close(master)
        lines = [[screen.buffer[y][x] for x in range(COLUMNS)] for y in range(ROWS)]
        while lines and not "".join(cell.data for cell in lines[-1]).strip():
            lines.pop()
        return process.wait(), lines


def _read(master: int) -> Iterator[bytes]:
    while True:
        try:
            chunk = os.read(master, 65536)
        except OSError:  # Linux says so when the other end is closed
            return
        if not chunk:
            return
        yield chunk


def picture(command: str, lines: list[list[pyte.screens.Char]]) -> str:
    """Return a screen as HTML: the prompt with the command, and what came, in its colours."""
    shown = "\n".join(_line(line) for line in lines)
    return (
        f'<pre class="terminal" tabindex="0"><b><span class="prompt">$</span> {escape(command)}</b>'
        f"\n{shown}</pre>"
    )


def _line(cells: list[pyte.screens.Char]) -> str:
    pieces = []
    for (colour, bold), run in groupby(cells, key=lambda cell: (cell.fg, cell.bold)):
        text = escape("".join(cell.data for cell in run), quote=False)
        classes = [f"fg-{colour}"] if colour != "default" else []
        classes += ["strong"] if bold else []
        joined = " ".join(classes)
        pieces.append(f'<span class="{joined}">{text}</span>' if classes and text.strip() else text)
    return "".join(pieces).rstrip()


def replace(file: Path, old: str, new: str) -> None:
    """Save a file with one piece of text exchanged."""
    text = file.read_text("utf-8")
    if text.count(old) != 1:
        sys.exit(f"{file.name} holds {old!r} {text.count(old)} times, and not once")
    file.write_text(text.replace(old, new), "utf-8")


def evening(folder: Path) -> dict[str, str]:
    """Play a student's first evening in an empty folder and return its pictures by name."""
    reference = Path(tinytorch.core.__path__[0], "tensor.py").read_text("utf-8")
    pictures: dict[str, str] = {}
    session = Session(folder)
    pictures["init"] = session.run("tito init my-tinytorch", 0, "tito start 01", answer="n\n")
    session.folder = folder / "my-tinytorch"
    pictures["start"] = session.run("tito start 01", 0, "core/tensor.py")
    tensor = session.folder / "core" / "tensor.py"
    replace(tensor, 'raise NotImplementedError("01 · add")', "return x - y")
    pictures["wrong"] = session.run("tito test 01 add", 1, "expected")
    pictures["hint"] = session.run("tito hint 01 add", 0, "hint 1 of 2")
    replace(tensor, "return x - y", "return x + y")
    pictures["right"] = session.run("tito test 01 add", 0, "1 of 1 point")
    tensor.write_text(reference, "utf-8")
    pictures["complete"] = session.run("tito complete 01", 0, "01 Tensor has joined your framework")
    pictures["status"] = session.run("tito status", 0, "yours")
    pictures["checkpoint"] = session.run("tito checkpoint 2", 0, "Yes.")
    pictures["milestone"] = session.run("tito milestone run 1958", 0, "1 of 2")
    return {name: html.replace(str(folder), "~") for name, html in pictures.items()}


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as empty:
        print(json.dumps(evening(Path(empty).resolve())))
