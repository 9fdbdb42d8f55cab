"""Pictures of what a classifier does: which classes it mistakes, its filters, and its mistakes.

As rows of text, and as a PNG where matplotlib is installed.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tinytorch.core.context import no_grad
from tinytorch.core.files import write_atomically
from tinytorch.core.layers import Module
from tinytorch.core.primitive import Array
from tinytorch.core.tensor import Tensor
from tinytorch.core.training import evaluating
from tinytorch.datasets import ImageDataset

SHADES = " .:-=+*#%@"


@dataclass(frozen=True)
class Judgement:
    """What a model said of every image of a data set.

    said  (N,) class indices; sure  (N,) how far the class that it said is above the right one
    """

    data: ImageDataset
    said: Array
    sure: Array

    def confusion(self) -> Array:
        """How often each class (row) was taken for each (column)."""
        classes = len(self.data.classes)
        pairs = self.data.labels * classes + self.said
        return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)

    def accuracy(self) -> float:
        """The share of images that it was right about."""
        return float(np.mean(self.said == self.data.labels))

    def mistakes(self, count: int) -> Array:
        """The indices of the mistakes that it was surest of, surest first."""
        wrong = np.flatnonzero(self.said != self.data.labels)
        return wrong[np.argsort(-self.sure[wrong], kind="stable")][:count]


def judge(model: Module, data: ImageDataset, mirrored: bool = False, batch: int = 500) -> Judgement:
    """Ask a model about all images; `mirrored`: and about their mirror images, and add it up."""
    answers = []
    with no_grad(), evaluating(model):
        for start in range(0, len(data), batch):
            images, _ = data.get_batch(np.arange(start, min(start + batch, len(data))))
            logits = model(Tensor(images)).data
            if mirrored:
                logits = logits + model(Tensor(images[..., ::-1])).data
            answers.append(logits)
    scores = np.concatenate(answers)
    right = np.take_along_axis(scores, data.labels[:, np.newaxis], axis=1)[:, 0]
    return Judgement(data, scores.argmax(axis=1), scores.max(axis=1) - right)


def confusion_rows(judgement: Judgement) -> tuple[list[str], list[list[str]]]:
    """Headers and rows of a table: a row for each class, what it was taken for in columns."""
    names = judgement.data.classes
    short = [name[:4] for name in names]
    rows = []
    for i, counts in enumerate(judgement.confusion()):
        cells = [str(count) if count else "·" for count in counts]
        rows.append([names[i], *cells])
    return ["", *short], rows


def shaded(image: Array, columns: int) -> list[str]:
    """An image (C, H, W) as text: dark where it is small; two columns for every row of it."""
    grey = image.mean(axis=0)
    low, high = float(grey.min()), float(grey.max())
    levels = (grey - low) / ((high - low) or 1) * (len(SHADES) - 1)
    height, width = grey.shape
    rows = max(1, round(columns * height / width / 2))
    down = np.arange(rows) * height // rows
    across = np.arange(columns) * width // columns
    return ["".join(SHADES[round(float(levels[i, j]))] for j in across) for i in down]


def side_by_side(pictures: Sequence[Sequence[str]], captions: Sequence[str]) -> list[str]:
    """Pictures of one size next to each other, each with a line above it."""
    width = max(len(row) for picture in pictures for row in picture)
    heads = "  ".join(caption[:width].ljust(width) for caption in captions)
    body = ["  ".join(row.ljust(width) for row in rows) for rows in zip(*pictures, strict=True)]
    return [heads.rstrip(), *[row.rstrip() for row in body]]


def caption(judgement: Judgement, index: int) -> str:
    """What a mistake was: "a 4, taken for 9"."""
    names = judgement.data.classes
    return f"{names[judgement.data.labels[index]]}, taken for {names[judgement.said[index]]}"


def save_png(
    path: Path, title: str, judgement: Judgement, filters: Array, told: str = "filters"
) -> Path | None:
    """Draw confusion, filters (O, C, kh, kw), which are `told`, and mistakes into `path`.

    Returns None where matplotlib is missing.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        return None
    figure = Figure(figsize=(8, 10), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title)
    parts: Any = figure.subfigures(3, 1, height_ratios=[5, 2, 3])
    top, middle, bottom = parts
    axes = top.subplots()
    confusion, names = judgement.confusion(), judgement.data.classes
    axes.imshow(np.log1p(confusion), cmap="Blues")
    axes.set_xticks(range(len(names)), names, rotation=45)
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("taken for")
    for (i, j), count in np.ndenumerate(confusion):
        if count:
            dark = np.log1p(count) > np.log1p(confusion.max()) / 2
            colour = "white" if dark else "black"
            axes.text(j, i, str(count), ha="center", va="center", fontsize=6, color=colour)
    shown = [(picture, "") for picture in filters[:18]]
    _gallery(middle, told, shown, 9)
    wrong = judgement.mistakes(12)
    mistaken = [(judgement.data.images[i] / 255, caption(judgement, i)) for i in wrong]
    _gallery(bottom, "mistakes it was surest of", mistaken, 6)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    write_atomically(path, buffer.getvalue())
    return path


def _gallery(figure: Any, title: str, pictures: Sequence[tuple[Array, str]], columns: int) -> None:
    """Draw pictures (C, H, W) with a caption each; each has its own black and white."""
    figure.suptitle(title, fontsize=9)
    rows = -(-max(1, len(pictures)) // columns)
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for axes, (picture, told) in zip(grid.flat, pictures, strict=False):
        low, high = picture.min(), picture.max()
        picture = ((picture - low) / ((high - low) or 1)).transpose(1, 2, 0)
        axes.imshow(picture if picture.shape[2] == 3 else picture[:, :, 0], cmap="gray")
        axes.set_title(told, fontsize=6)
