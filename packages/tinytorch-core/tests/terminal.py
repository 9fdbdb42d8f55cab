"""A shell in a real pseudo-terminal: type, wait for what comes, and read the exit status.

POSIX only. Left out: drawing the screen; control sequences are removed from what is returned.
"""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]|\r")
ERASED = "\x00"  # what stands before it in its line is gone from the screen
SHELL = (
    "import fcntl, os, termios; os.setsid(); fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
    "os.execvp('sh', ['sh', '-i'])"
)
PROMPT = re.compile(r"<(\d+)>> ")


class Terminal:
    """`with Terminal(folder, environment) as terminal: terminal.run("tito list")`."""

    def __init__(self, folder: Path, environment: dict[str, str], columns: int = 100) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
        kept = {
            **environment,
            "TERM": "xterm-256color",
            "PS1": "<$?>> ",
            "ENV": "",
            "PYTHONUTF8": "1",
        }
        self._process = subprocess.Popen(
            [sys.executable, "-c", SHELL],
            cwd=folder,
            env=kept,
            stdin=slave,
            stdout=slave,
            stderr=slave,
        )
        self._slave = slave
        self._seen = ""
        self.until(PROMPT)
        self.run(f'tito() {{ "{sys.executable}" -m tinytorch "$@"; }}')

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._master)
        os.close(self._slave)

    def type(self, text: str) -> None:
        """Press keys; "\\r" is Enter, "\\x03" is Ctrl-C."""
        os.write(self._master, text.encode())

    def until(self, pattern: str | re.Pattern[str], seconds: float = 120) -> str:
        """Read until a pattern comes; return what stays on the screen up to its end."""
        end = time.monotonic() + seconds
        while not (found := re.search(pattern, self._seen)):
            if time.monotonic() > end:
                raise AssertionError(f"{pattern!r} never came; there is:\n{self._seen}")
            ready, _, _ = select.select([self._master], [], [], 0.2)
            if ready:
                text = os.read(self._master, 65536).decode(errors="replace")
                text = (self._seen + text).replace("\r\x1b[K", ERASED)
                self._seen = CONTROL.sub("", text)
        before, self._seen = self._seen[: found.end()], self._seen[found.end() :]
        return re.sub(f"[^\n{ERASED}]*{ERASED}", "", before)

    def run(self, command: str, *answers: tuple[str, str]) -> tuple[int, str]:
        """Type a command, answer its questions, and return its exit status and its output."""
        self.type(f"{command}\r")
        output = self.until(re.escape(command) + r"\n") and ""
        for question, answer in answers:
            output += self.until(question)
            self.type(answer)
        output += self.until(PROMPT)
        [status] = PROMPT.findall(output)[-1:]
        return int(status), PROMPT.sub("", output)

    def settings(self) -> list[object]:
        """The terminal's modes: echo, lines or single keys."""
        return termios.tcgetattr(self._slave)
