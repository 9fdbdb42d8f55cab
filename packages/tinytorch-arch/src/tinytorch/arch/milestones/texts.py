"""The text that a milestone learns from: TinyShakespeare where it is or can be had, else our own.

It is said which, always. A loss measured on the almanac is not one measured on TinyShakespeare, and
is judged by bounds of its own. Also here: stretches of a text as batches.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tinytorch import Tensor
from tinytorch.core.milestones.frame import Stage
from tinytorch.core.milestones.sources import real_data
from tinytorch.core.primitive import Array
from tinytorch.data import Batch
from tinytorch.datasets import Almanac, TextDataset, TinyShakespeare


@dataclass(frozen=True)
class Text:
    """A text, what it is called, and whether it is TinyShakespeare."""

    name: str
    data: TextDataset
    real: bool


def text(stage: Stage) -> Text:
    """Load what the user insists on, else TinyShakespeare, else the almanac; say and record which.

    Raises DownloadError where TinyShakespeare is insisted on and cannot be had, DatasetCorruptError
    where the file is damaged.
    """
    instead = "The built-in almanac takes its place."
    where = real_data(stage, "tinyshakespeare", "almanac", instead)
    if where is not None:
        chosen = Text("TinyShakespeare", TinyShakespeare(), real=True)
    else:
        chosen = Text("the almanac", Almanac(), real=False)
        where = "built in, not TinyShakespeare"
    sizes = {"characters": len(chosen.data), "different ones": len(set(chosen.data.text))}
    stage.data(chosen.name, where, **sizes)
    return chosen


class Stretches:
    """Batches of stretches that begin anywhere in a text: `batches` of them, new ones each time.

    ids     the text as tokens
    length  of a stretch; y is x one token on
    """

    def __init__(
        self, ids: Array, length: int, batch: int, batches: int, rng: np.random.Generator
    ) -> None:
        self.ids = ids
        self.length = min(length, len(ids) - 1)
        self.batch = batch
        self.batches = batches
        self.rng = rng

    def __len__(self) -> int:
        return self.batches

    def __iter__(self) -> Iterator[Batch]:
        for _ in range(self.batches):
            starts = self.rng.integers(0, len(self.ids) - self.length, self.batch)
            yield batch_at(self.ids, starts, self.length)


class InOrder:
    """A text once from its beginning, cut into stretches: for evaluation. `every`-th ones only.

    What is left at the end, shorter than a stretch, is left out.
    """

    def __init__(self, ids: Array, length: int, batch: int, every: int = 1) -> None:
        self.ids = ids
        self.length = min(length, len(ids) - 1)
        self.batch = batch
        self.starts = np.arange(0, len(ids) - self.length, self.length * every)

    def __len__(self) -> int:
        return -(-len(self.starts) // self.batch)

    def __iter__(self) -> Iterator[Batch]:
        for begin in range(0, len(self.starts), self.batch):
            yield batch_at(self.ids, self.starts[begin : begin + self.batch], self.length)


def batch_at(ids: Array, starts: Array, length: int) -> Batch:
    """Stretches of `length` tokens that begin at `starts`, and the same one token on."""
    tokens = ids[starts[:, np.newaxis] + np.arange(length + 1)]  # (batch, length + 1)
    return Batch(Tensor(tokens[:, :-1]), Tensor(tokens[:, 1:]))
