"""Which photographs a milestone sees: CIFAR-10 where it can be had, painted digits otherwise.

Painted digits are drawn ones in two colours on a ground of two others: 3x32x32 like CIFAR-10, made
by code, and no photographs. It is said which, always; their numbers have bounds of their own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tinytorch.core.milestones.frame import Stage
from tinytorch.core.milestones.sources import real_data
from tinytorch.core.primitive import Array
from tinytorch.datasets import CIFAR10, DrawnDigits, ImageDataset


@dataclass(frozen=True)
class Photographs:
    """Training and test images, and whether they are CIFAR-10's."""

    name: str
    where: str
    train: ImageDataset
    test: ImageDataset
    real: bool


def photographs(stage: Stage) -> Photographs:
    """Load what the user insists on, else CIFAR-10, else painted digits; say and record which.

    Raises DownloadError where CIFAR-10 is insisted on and cannot be had, DatasetCorruptError where
    the file is damaged.
    """
    where = real_data(stage, "cifar-10", "drawn", "Painted digits take CIFAR-10's place.")
    if where is not None:
        chosen = Photographs("CIFAR-10", where, CIFAR10("train"), CIFAR10("test"), real=True)
    else:
        train, test = painted("train"), painted("test")
        where = "made by code, not CIFAR-10"
        chosen = Photographs("painted digits", where, train, test, real=False)
    stage.data(chosen.name, chosen.where, training=len(chosen.train), test=len(chosen.test))
    return chosen


def painted(split: str, n: int | None = None) -> ImageDataset:
    """Drawn digits in colour, the same ones at every call: uint8 (N, 3, 32, 32)."""
    drawn = DrawnDigits(split, n)
    rng = np.random.default_rng([32, split == "test"])
    shade = np.zeros((len(drawn), 1, 32, 32), np.float32)
    shade[:, :, 2:30, 2:30] = drawn.images / np.float32(255)
    ground, ink = (blend(rng, len(drawn)) for _ in range(2))
    images = (255 * (ground * (1 - shade) + ink * shade)).astype(np.uint8)
    means, stds = ((0.5,) * 3, (0.25,) * 3)
    return ImageDataset(
        images,
        drawn.labels,
        classes=drawn.classes,
        name="painted digits",
        split=split,
        mean=means,
        std=stds,
    )


def blend(rng: np.random.Generator, count: int) -> Array:
    """Pictures (count, 3, 32, 32) that run from one random colour to another in some direction."""
    first, last = rng.random((2, count, 3, 1, 1), np.float32)
    across, down = np.meshgrid(*(np.linspace(-1, 1, 32, dtype=np.float32),) * 2)
    angle = rng.random((count, 1, 1, 1), np.float32) * np.float32(2 * np.pi)
    share = 0.5 + (np.cos(angle) * across + np.sin(angle) * down) / 3
    return first * (1 - share) + last * share
