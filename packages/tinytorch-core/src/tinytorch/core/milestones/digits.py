"""Which digits a milestone reads: MNIST where it is or can be had, digits drawn by code otherwise.

It is said which, always. A number measured on drawn digits is not one measured on MNIST, and is
judged by bounds of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

from tinytorch.core.milestones.frame import Stage
from tinytorch.core.milestones.sources import real_data
from tinytorch.datasets import MNIST, DrawnDigits, ImageDataset


@dataclass(frozen=True)
class Digits:
    """Training and test digits, and whether they are MNIST's."""

    name: str
    train: ImageDataset
    test: ImageDataset
    real: bool


def digits(stage: Stage) -> Digits:
    """Load what the user insists on, else MNIST, else drawn digits; say and record which.

    Raises DownloadError where MNIST is insisted on and cannot be had, DatasetCorruptError where a
    file is damaged.
    """
    where = real_data(stage, "mnist", "drawn", "Drawn digits take MNIST's place.")
    if where is not None:
        chosen = Digits("MNIST", MNIST("train"), MNIST("test"), real=True)
    else:
        chosen = Digits("drawn digits", DrawnDigits("train"), DrawnDigits("test"), real=False)
        where = "made by code, not MNIST"
    stage.data(chosen.name, where, training=len(chosen.train), test=len(chosen.test))
    return chosen
