"""Progress of a download: what a listener hears, and a bar for the terminal.

Left out: rich's bars, which the command line brings along as a `Progress` of its own.
"""

from __future__ import annotations

import sys
from typing import Protocol


class Progress(Protocol):
    """Called with a file's name, the bytes so far, and the bytes in all (0 where unknown)."""

    def __call__(self, name: str, done: int, total: int) -> None: ...


class TerminalProgress:
    """A bar on standard error; where that is no terminal, one line when a file is complete."""

    def __init__(self) -> None:
        self._shown = -1

    def __call__(self, name: str, done: int, total: int) -> None:
        finished = total > 0 and done >= total
        if not sys.stderr.isatty():
            if finished:
                print(f"downloaded {name}, {total:,} bytes", file=sys.stderr)
            return
        percent = 100 * done // total if total else done // 1_000_000
        if percent == self._shown and not finished:
            return
        self._shown = -1 if finished else percent
        filled = "#" * (30 * done // total if total else 0)
        size = f"{done / 1e6:.1f} of {total / 1e6:.1f} MB" if total else f"{done / 1e6:.1f} MB"
        end = "\n" if finished else ""
        print(f"\r{name} [{filled:<30}] {size}", end=end, file=sys.stderr, flush=True)


class PoochBar:
    """A `Progress` in the form that pooch calls: total, update, reset, close."""

    def __init__(self, name: str, progress: Progress | None) -> None:
        self.total = 0
        self._name = name
        self._progress = progress
        self._done = 0
        self._reported = -1

    def update(self, count: int) -> None:
        """`count` more bytes have come; pooch counts in whole pieces, so the last may overshoot."""
        self._done += count
        done = min(self._done, self.total) if self.total else self._done
        if self._progress is not None and done != self._reported:
            self._reported = done
            self._progress(self._name, done, self.total)

    def reset(self) -> None:
        """Begin anew; pooch does this before it reports the whole length at the end."""
        self._done = 0

    def close(self) -> None:
        """Nothing to release."""
