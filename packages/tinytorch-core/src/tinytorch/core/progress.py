"""How training is shown while it runs: a bar in a terminal, lines in a pipe, or nothing.

`Trainer(progress=...)` takes True, False, or an object with the methods of `Silent`. Left out:
plots, which are drawn from the history afterwards.
"""

from __future__ import annotations

import sys
import time
from typing import Any

from tinytorch.core.history import Row

REDRAW = 0.1  # seconds between two updates of the bar: a step may take far less


class Silent:
    """Shows nothing, and says what can be shown: subclass it for a display of your own."""

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *exception: object) -> None:
        """Training has ended, or was stopped."""

    def begin_epoch(self, epoch: int, epochs: int, batches: int | None, done: int) -> None:
        """Epoch `epoch` (from 1) of `epochs` starts, with `done` of its `batches` behind it."""

    def advance(self, batches: int, loss: float) -> None:
        """A step over `batches` more batches had this loss."""

    def end_epoch(self, row: Row, epochs: int) -> None:
        """The epoch is over; `row` is what the history holds of it."""

    def note(self, text: str) -> None:
        """Something worth a line."""


class Lines(Silent):
    """A line for each epoch, on standard output: for pipes, files and logs."""

    def end_epoch(self, row: Row, epochs: int) -> None:
        self.note(in_words(row, epochs))

    def note(self, text: str) -> None:
        print(text, flush=True)


class Bar(Silent):
    """A bar that fills once an epoch, by rich; above it, a line for each epoch that is over."""

    def __enter__(self) -> Bar:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
        from rich.progress import TimeRemainingColumn as Remaining

        told, loss = TextColumn("{task.description}"), TextColumn("{task.fields[loss]}")
        self._bar = Progress(told, BarColumn(), MofNCompleteColumn(), Remaining(), loss)
        self._task: Any = None
        self._done = 0
        self._drawn = 0.0
        self._bar.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._remove()
        self._bar.stop()

    def begin_epoch(self, epoch: int, epochs: int, batches: int | None, done: int) -> None:
        self._remove()
        self._done = done
        self._task = self._bar.add_task(
            f"epoch {epoch}/{epochs}", total=batches, completed=done, loss=""
        )

    def advance(self, batches: int, loss: float) -> None:
        self._done += batches
        now = time.monotonic()
        if now - self._drawn >= REDRAW:
            self._drawn = now
            self._bar.update(self._task, completed=self._done, loss=f"loss {loss:.4f}")

    def end_epoch(self, row: Row, epochs: int) -> None:
        self._remove()
        self.note(in_words(row, epochs))

    def note(self, text: str) -> None:
        self._bar.console.print(text, highlight=False, markup=False, soft_wrap=True)

    def _remove(self) -> None:
        if self._task is not None:
            self._bar.remove_task(self._task)
            self._task = None


def display(progress: bool | Silent) -> Silent:
    """Choose: an object is taken as it is; True is a bar in a terminal, lines elsewhere."""
    if isinstance(progress, Silent):
        return progress
    if not progress:
        return Silent()
    return Bar() if sys.stdout.isatty() else Lines()


def in_words(row: Row, epochs: int) -> str:
    """One epoch as a line: `epoch 2/10  train_loss 0.2134  validation_accuracy 0.9421 ...`."""
    width = len(str(epochs))
    shown = [f"epoch {row['epoch']:>{width}}/{epochs}"]
    for name, value in row.items():
        if name == "seconds":
            shown.append(f"{value:.1f} s")
        elif name == "lr":
            shown.append(f"lr {value:.3g}")
        elif name not in ("epoch", "step"):
            shown.append(f"{name} {value:.4f}")
    return "  ".join(shown)
