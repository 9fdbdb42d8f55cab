"""What makes a `Trainer` stop and go on: it keeps checkpoints, and picks up where one was written.

Given. A resumed run does exactly what an uninterrupted one would have done, bit for bit, whether
it stopped between epochs or within one: then the loader starts the epoch once more, from the
random state it had, and the batches that were trained on are passed over.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, NoReturn

from tinytorch.core.checkpoints import (
    Checkpoint,
    CheckpointFolder,
    Position,
    States,
    generator_states,
    restore_generators,
)
from tinytorch.core.files import AnyPath, write_atomically
from tinytorch.core.history import History
from tinytorch.core.layers import Module


class Resumable:
    """Where a run stands, and how that is written and read. `Trainer` adds the training."""

    def __init__(self, model: Module, optimizer: Any, checkpoints: AnyPath | None) -> None:
        self.model = model
        self.optimizer = optimizer
        self.folder = None if checkpoints is None else CheckpointFolder(checkpoints)
        self.history = History()
        self.position = Position()
        self.base_lrs = [float(group["lr"]) for group in optimizer.param_groups]
        self._owners: dict[str, object] = {"model": model}  # who may hold random generators
        self._batches: int | None = None  # in an epoch
        self._epoch_draws: States = {}
        self._resumed: Checkpoint | None = None
        self._since = 0.0  # when the present epoch would have begun, had it not been interrupted

    def save(self, path: AnyPath) -> None:
        """Write a checkpoint: `resume(path)` in a program that builds the same things goes on."""
        write_atomically(path, self.checkpoint().to_bytes())

    def checkpoint(self) -> Checkpoint:
        """All that the run needs to go on."""
        if self._resumed is not None:  # not a step since
            return self._resumed
        if self.position.batch:
            self.position.seconds = time.perf_counter() - self._since
        optimizer = self.optimizer.state_dict()
        return Checkpoint(
            model=self.model.state_dict(),
            optimizer=optimizer["state"],
            param_groups=optimizer["param_groups"],
            base_lrs=self.base_lrs,
            position=asdict(self.position),
            history=[dict(row) for row in self.history],
            batches=self._batches,
            draws=generator_states(self._owners),
            epoch_draws=self._epoch_draws,
        )

    def resume(self, path: AnyPath) -> None:
        """Go back to where the checkpoint `path` was written; `fit` then goes on from there.

        Model, optimizer and loaders must be built as they were then; their values do not matter.
        Raises ValueError for a file that is damaged, or does not fit.
        """
        saved = Checkpoint.read(path)
        before = self.model.state_dict()
        try:
            self.model.load_state_dict(saved.model)
            self.optimizer.load_state_dict(
                {"state": saved.optimizer, "param_groups": saved.param_groups}
            )
        except ValueError as error:
            self.model.load_state_dict(before)
            raise ValueError(
                f"{path} is the checkpoint of another run: {error}\n"
                "Build model and optimizer as they were then, or start anew in another folder"
            ) from None
        self.base_lrs = saved.base_lrs
        self.position = Position(**saved.position)
        self.history = History(saved.history)
        self._epoch_draws = saved.epoch_draws
        self._resumed = saved

    def _begin(self, train: Any, validation: Any) -> None:
        """Take up the loaders of this run, and the random states of the one that is resumed."""
        loaders = {"train": train, "validation": validation}
        given = {name: loader for name, loader in loaders.items() if loader is not None}
        self._owners = {"model": self.model, **given}
        self._batches = len(train) if hasattr(train, "__len__") else None
        if self.folder is not None:
            self.folder.prepare()
        if self._resumed is not None:
            if self.position.batch and self._resumed.batches != self._batches:
                raise ValueError(
                    f"the checkpoint was written within an epoch of {self._resumed.batches} "
                    f"batches, and this loader has {self._batches}: give it the same data set and "
                    "batch size, or resume from the end of an epoch"
                )
            restore_generators(self._owners, self._resumed.draws)
            self._resumed = None

    def _epoch(self, train: Any) -> Iterator[Any]:
        """The batches of the present epoch that were not trained on yet."""
        done = self.position.batch
        self._since = time.perf_counter() - self.position.seconds
        now = generator_states(self._owners)
        if not done:
            self._epoch_draws = now
            return iter(train)
        restore_generators(self._owners, self._epoch_draws)
        batches: Iterator[Any] = iter(train)
        for _ in range(done):
            next(batches, None)
        restore_generators(self._owners, now)
        return batches

    def _keep(self, *, best: bool = False) -> None:
        if self.folder is not None:
            self.folder.keep(self.checkpoint(), best=best)

    def _stop(self) -> NoReturn:
        """Leave a checkpoint, and raise KeyboardInterrupt, which says how to go on."""
        self._keep()
        where = f"stopped after step {self.position.step}, in epoch {self.position.epoch + 1}"
        if self.folder is None:
            raise KeyboardInterrupt(
                f"{where}. fit() with the same arguments goes on; to go on in another program, "
                "give Trainer a folder: checkpoints=..."
            )
        raise KeyboardInterrupt(f"{where}. To go on: trainer.resume({str(self.folder.last)!r})")
