"""Training on a milestone's stage: one bar for all steps, one line an epoch, every loss kept.

Left out: training, which is `Trainer`'s; it calls what is here.
"""

from __future__ import annotations

from contextlib import ExitStack

from tinytorch.core.history import Row
from tinytorch.core.milestones.frame import Stage
from tinytorch.core.progress import Silent


class Epochs(Silent):
    """`Trainer(progress=Epochs(stage, steps))`; afterwards `losses` holds the loss of each step."""

    def __init__(self, stage: Stage, steps: int) -> None:
        self.losses: list[float] = []
        self._screen = stage.screen
        self._steps = steps

    def skip(self, steps: int) -> None:
        """Expect so many steps less: an earlier run took them."""
        self._steps -= steps

    def __enter__(self) -> Epochs:
        self._screen.line()
        self._screen.line("epoch    loss  test accuracy  seconds", "bold")
        self._bar = ExitStack()
        self._step = self._bar.enter_context(self._screen.progress("training", self._steps))
        return self

    def __exit__(self, *exception: object) -> None:
        self._bar.close()

    def advance(self, batches: int, loss: float) -> None:
        self.losses.append(loss)
        self._step(f"loss {loss:.3f}")

    def end_epoch(self, row: Row, epochs: int) -> None:
        self._screen.line(
            f"{row['epoch']:>5}  {row['train_loss']:>6.4f}  "
            f"{row['validation_accuracy']:>13.2%}  {row['seconds']:>7.1f}"
        )
