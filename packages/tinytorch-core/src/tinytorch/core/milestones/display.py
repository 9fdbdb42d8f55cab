"""Training on a milestone's stage: one bar for all steps, one line an epoch, every loss kept.

`train` goes on from the checkpoint of a run that was stopped. Left out: training itself, which is
`Trainer`'s; it calls what is here.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tinytorch.core.files import write_atomically
from tinytorch.core.history import History, Row
from tinytorch.core.milestones.frame import Stage
from tinytorch.core.progress import Silent
from tinytorch.core.training import Trainer


class Epochs(Silent):
    """`Trainer(progress=Epochs(stage, steps))`; afterwards `losses` holds the loss of each step.

    first  the step that the first of them belongs to: 1, or later where those before are not known
    file   where losses are kept for a run that goes on, or None

    What is shown of an epoch, a subclass may say: `heading` and `line`.
    """

    label = "training"
    heading = "epoch    loss  test accuracy  seconds"

    def __init__(self, stage: Stage, steps: int) -> None:
        self.losses: list[float] = []
        self.first = 1
        self.file: Path | None = None
        self._earlier: Sequence[Row] = ()
        self._screen = stage.screen
        self._steps = steps

    def line(self, row: Row) -> str:
        """A row of the history, under `heading`."""
        return (
            f"{row['epoch']:>5}  {row['train_loss']:>6.4f}  "
            f"{row['validation_accuracy']:>13.2%}  {row['seconds']:>7.1f}"
        )

    def skip(self, steps: int, history: Sequence[Row]) -> None:
        """Expect so many steps less: an earlier run took them. Its losses are read from `file`."""
        self._steps -= steps
        self._earlier = history
        self.first = steps + 1
        if self.file is not None and self.file.exists():
            kept = json.loads(self.file.read_text("utf-8"))
            known = kept["losses"][: self.first - kept["first"]]
            if known and kept["first"] + len(known) == self.first:
                self.first, self.losses = kept["first"], known

    def keep(self) -> None:
        """Write the losses where a run that goes on finds them."""
        if self.file is not None and self.losses:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            text = json.dumps({"first": self.first, "losses": self.losses})
            write_atomically(self.file, text)

    def __enter__(self) -> Epochs:
        self._screen.line()
        self._screen.line(self.heading, "bold")
        for row in self._earlier:
            self._screen.line(self.line(row), "dim")
        self._bar = ExitStack()
        self._step = self._bar.enter_context(self._screen.progress(self.label, self._steps))
        return self

    def __exit__(self, *exception: object) -> None:
        self._bar.close()
        self.keep()

    def advance(self, batches: int, loss: float) -> None:
        self.losses.append(loss)
        self._step(f"loss {loss:.3f}")

    def end_epoch(self, row: Row, epochs: int) -> None:
        self._screen.line(self.line(row))
        self.keep()


def train(
    stage: Stage, trainer: Trainer, shown: Epochs, data: tuple[Any, Any], epochs: int,
    folder: Path | None,
) -> History:  # fmt: skip
    """Train on `data`, batches and those to validate on, or go on from a checkpoint in `folder`.

    trainer  writes its checkpoints into `folder`, and shows itself by `shown`

    The seconds up to that checkpoint count as this run's.
    """
    last = None if folder is None else folder / "last.safetensors"
    shown.file = None if folder is None else folder / "losses.json"
    if last is not None and last.exists():
        trainer.resume(last)
        position = trainer.position
        shown.skip(position.step, list(trainer.history))
        stage.result.seconds_before += position.seconds
        stage.result.seconds_before += sum(float(row["seconds"]) for row in trainer.history)
        stage.tell(f"Going on after step {position.step:,}, from {last}")
    return trainer.fit(data[0], data[1], epochs=epochs)
