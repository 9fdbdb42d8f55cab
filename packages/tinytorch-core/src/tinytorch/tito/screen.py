"""The screen: prose, tables and progress for a terminal of any width, plain text for a pipe.

Colours and bars appear where a terminal can show them and `NO_COLOR` is not set; a table too wide
for the terminal is written as one block a row. Left out: what a command has to say. Rich draws the
bars and is imported with the first one: everything else would only start slower with it.
"""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from tinytorch.tito.plain import make_encodable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

    from tinytorch.datasets.progress import Progress as Download

Cell = str | tuple[str, str]  # text, or text and style
WIDEST = 88  # columns; longer lines of prose are hard to read
MIN_LAST = 24  # columns; a narrower last column is not worth breaking

STYLES: dict[str, dict[str, Any]] = {
    "": {},
    "bold": {"bold": True},
    "dim": {"dim": True},
    "good": {"fg": "green"},
    "bad": {"fg": "red", "bold": True},
    "notice": {"fg": "yellow"},
}


class Screen:
    """Where a command writes.

    quiet   write nothing but notices, and those to standard error: for `--json`, and for whoever
            wants only a result
    """

    def __init__(self, *, quiet: bool = False) -> None:
        make_encodable(sys.stdout, sys.stderr)
        self.quiet = quiet
        self.is_terminal = sys.stdout.isatty()
        able = self.is_terminal and os.environ.get("TERM") != "dumb"
        self._colours = able and not os.environ.get("NO_COLOR")
        if self._colours and sys.platform == "win32":
            from colorama import just_fix_windows_console  # comes with click there

            just_fix_windows_console()
        self._bars = able and not quiet
        self._console: Console | None = None  # of the bar that is being drawn
        # the last column stays free: some terminals break the line after a character there
        self._columns = shutil.get_terminal_size().columns - 1 if self.is_terminal else 10_000
        self.width = max(20, min(self._columns, WIDEST))

    @property
    def columns(self) -> int:
        """The columns that a line may have; very many where nothing limits them."""
        return self._columns

    def say(self, text: str = "", style: str = "", *, indent: int = 0) -> None:
        """Write a paragraph, broken at spaces to fit."""
        self.line(self.wrapped(text, indent), style)

    def line(self, text: str = "", style: str = "") -> None:
        """Write a line as it is: a command to copy, a path, a row of a plot."""
        if self.quiet:
            return
        if self._console is None:
            print(self.styled(text, style))  # click.echo would write UTF-8 to an ASCII output
        else:  # above the bar
            from rich.text import Text

            self._console.print(Text.from_ansi(self.styled(text, style)), soft_wrap=True)

    def write(self, text: str) -> None:
        """Write a piece of text that is being made, at once and without an end of line."""
        if not self.quiet:
            print(text, end="", flush=True)

    def notice(self, text: str) -> None:
        """Write a paragraph that nobody may miss: quiet or not, it is said."""
        wrapped = self.wrapped(text, 0)
        if self.quiet:
            print(wrapped, file=sys.stderr, flush=True)
        else:
            self.line(wrapped, "notice")

    def table(
        self, headers: Sequence[str], rows: Sequence[Sequence[Cell]], right: Sequence[int] = ()
    ) -> None:
        """Write rows in columns; where they do not fit, break the last column, or write blocks.

        right  the columns (0, 1, ...) of numbers, which are aligned at their ends
        """
        cells = [[cell if isinstance(cell, tuple) else (cell, "") for cell in row] for row in rows]
        grid = [[(header, "bold") for header in headers], *cells]
        widths = [max(len(row[column][0]) for row in grid) for column in range(len(headers))]
        before = sum(widths[:-1]) + 2 * len(widths[:-1])
        room = self._columns - before
        if widths[-1] > room and room < MIN_LAST:
            self._blocks(headers, cells)
            return
        for *row, (last, style) in grid:
            padded = [
                self.styled(text.rjust(width) if column in right else text.ljust(width), how)
                for column, ((text, how), width) in enumerate(zip(row, widths, strict=False))
            ]
            if len(widths) - 1 in right:
                last = last.rjust(widths[-1])
            first, *rest = [last] if len(last) <= room else textwrap.wrap(last, room)
            self.line("  ".join([*padded, self.styled(first, style)]).rstrip())
            for line in rest:
                self.line(" " * before + self.styled(line, style))

    def pairs(self, rows: Sequence[tuple[str, str]]) -> None:
        """Write names and what they stand for, the latter in one column where that fits."""
        room = max((len(name) for name, _ in rows), default=0)
        for name, value in rows:
            if room + len(value) + 4 <= self._columns:
                self.line(f"  {name:<{room}}  {value}")
            else:
                self.line(f"  {name}")
                self.say(value, indent=4)

    @contextmanager
    def progress(self, label: str, total: int) -> Iterator[Callable[[str], None]]:
        """A bar of `total` steps while the block runs; call it once a step, with a note."""
        if not self._bars:
            yield lambda note: None
            return
        from rich.progress import BarColumn, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(bar_width=None))
        with self._bar(*columns, TextColumn("{task.fields[note]}"), TimeRemainingColumn()) as bar:
            task = bar.add_task(label, total=total, note="")
            yield lambda note: bar.update(task, advance=1, note=note)

    @contextmanager
    def downloads(self) -> Iterator[Download]:
        """Bars for downloads while the block runs: a `tinytorch.datasets.progress.Progress`."""
        if not self._bars:
            yield lambda name, done, total: None
            return
        from rich.progress import BarColumn, DownloadColumn, TaskID, TextColumn

        tasks: dict[str, TaskID] = {}
        column = TextColumn("{task.description}")
        with self._bar(column, BarColumn(bar_width=None), DownloadColumn()) as bar:

            def report(name: str, done: int, total: int) -> None:
                if name not in tasks:
                    tasks[name] = bar.add_task(name[:22], total=total or None)
                bar.update(tasks[name], completed=done)

            yield report

    def styled(self, text: str, style: str) -> str:
        """The text in a style, where there are colours."""
        return click.style(text, **STYLES[style]) if style and self._colours and text else text

    def wrapped(self, text: str, indent: int = 0, hang: int = 0) -> str:
        """The text broken at spaces to fit, each line indented, those that follow a little more."""
        room = textwrap.TextWrapper(
            self.width,
            initial_indent=" " * indent,
            subsequent_indent=" " * (indent + hang),
            break_long_words=False,  # paths and commands stay whole
            break_on_hyphens=False,
        )
        return "\n".join(room.fill(line) for line in text.splitlines())

    @contextmanager
    def _bar(self, *columns: Any) -> Iterator[Progress]:
        from rich.console import Console
        from rich.progress import Progress

        self._console = Console()  # which heeds NO_COLOR itself
        try:
            with Progress(*columns, console=self._console, transient=True, expand=True) as bar:
                yield bar
        finally:
            self._console = None

    def _blocks(self, headers: Sequence[str], rows: Sequence[Sequence[tuple[str, str]]]) -> None:
        for (first, style), *others in rows:
            self.line(first, style or "bold")
            for header, (text, how) in zip(headers[1:], others, strict=True):
                if text:
                    named = f"{header}: {text}" if header else text
                    self.line(self.wrapped(named, indent=2, hang=2), how)
