"""MNIST and Fashion-MNIST: the same four IDX files, other pictures.

Left out: the IDX format itself (idx.py), where the files are (folders.py, download.py).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tinytorch.core.elsewhere import explains_arguments
from tinytorch.datasets import catalogue
from tinytorch.datasets.catalogue import DataFile, Entry
from tinytorch.datasets.download import obtain
from tinytorch.datasets.errors import DatasetCorruptError
from tinytorch.datasets.idx import parse_idx, read_bytes
from tinytorch.datasets.image_dataset import ImageDataset, Uint8Array, check_split


@dataclass(frozen=True)
class Facts:
    """What a data set's split must be like: how many of each class, and how bright on average."""

    per_class: tuple[int, ...]
    mean: float | None = None  # of pixels in [0, 1], to 0.001

    @property
    def count(self) -> int:
        """How many images and labels."""
        return sum(self.per_class)


@dataclass(frozen=True)
class IdxFamily:
    """A data set of four IDX files: training images and labels, test images and labels."""

    entry: Entry
    train: Facts
    test: Facts
    side: int = 28

    def files(self, split: str) -> tuple[DataFile, DataFile]:
        """The images' and the labels' file of a split."""
        first = 0 if split == "train" else 2
        return self.entry.files[first], self.entry.files[first + 1]

    def check(self, file: DataFile, path: Path) -> str:
        """Read `path` as the family's `file`: a sentence about it, or DatasetCorruptError."""
        return self._read(file, path)[1]

    def read(self, file: DataFile, path: Path) -> Uint8Array:
        """The validated images (N, 28, 28) or labels (N,) in `path`."""
        return self._read(file, path)[0]

    def _read(self, file: DataFile, path: Path) -> tuple[Uint8Array, str]:
        content = read_bytes(path)
        array = parse_idx(content, path)
        index = self.entry.files.index(file)
        facts = self.train if index < 2 else self.test
        if index % 2:
            _check_labels(array, facts, path)
        else:
            _check_images(array, facts, self.side, path)
        return array, _identify(content, file, path)


def _check_labels(labels: Uint8Array, facts: Facts, path: Path) -> None:
    if labels.shape != (facts.count,):
        raise DatasetCorruptError(
            f"{path} holds an array of shape {labels.shape}; expected {facts.count:,} labels"
        )
    classes = len(facts.per_class)
    if labels.size and labels.max() >= classes:
        raise DatasetCorruptError(
            f"{path} holds the label {labels.max()}; {classes} classes allow 0..{classes - 1}"
        )
    counts = tuple(int(count) for count in np.bincount(labels, minlength=classes))
    if counts != facts.per_class:
        raise DatasetCorruptError(
            f"{path} holds {counts} labels of each class; expected {facts.per_class}. "
            "MNIST's and Fashion-MNIST's files have the same names: is it the other's?"
        )


def _check_images(images: Uint8Array, facts: Facts, side: int, path: Path) -> None:
    if images.shape != (facts.count, side, side):
        raise DatasetCorruptError(
            f"{path} holds an array of shape {images.shape}; "
            f"expected {facts.count:,} images of {side}x{side}"
        )
    mean = float(images.mean()) / 255
    if facts.mean is not None and abs(mean - facts.mean) > 0.001:
        raise DatasetCorruptError(
            f"{path} has a mean brightness of {mean:.4f}; expected {facts.mean:.4f}. "
            "MNIST's and Fashion-MNIST's files have the same names: is it the other's?"
        )


def _identify(content: bytes, file: DataFile, path: Path) -> str:
    if file.sha256 is not None:
        found = hashlib.sha256(content).hexdigest()
        if found != file.sha256:
            raise DatasetCorruptError(
                f"{path} is damaged or not the original: the SHA-256 of its content is {found}; "
                f"expected {file.sha256}. Fetch or copy it again"
            )
        return "content has the recorded SHA-256"
    for described, data in (("content", content), ("file", path.read_bytes())):
        if hashlib.md5(data, usedforsecurity=False).hexdigest() in file.md5:
            return f"{described} has the published MD5"
    return "structure and counts are right; no published checksum matches"


DIGITS = IdxFamily(
    catalogue.MNIST,
    Facts((5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949), 0.1307),
    Facts((980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009), 0.1325),
)
FASHION = IdxFamily(
    catalogue.FASHION_MNIST,
    # The training mean is the widely published normalisation constant; none is for the test images.
    Facts((6000,) * 10, 0.2860),
    Facts((1000,) * 10),
)


class MNIST(ImageDataset):
    """MNIST: 60,000 training and 10,000 test images of handwritten digits, 1x28x28.

    Arguments:
        split: "train" or "test".
        normalize, mean, std: as for ImageDataset; the defaults are the training images'.
        download: False never goes to the network.

    Raises DatasetMissingError, DownloadError or DatasetCorruptError; each says what to do.
    LeCun, Bottou, Bengio, Haffner: Gradient-based learning applied to document recognition, 1998.
    """

    @explains_arguments
    def __init__(
        self,
        split: str = "train",
        *,
        normalize: bool = True,
        mean: Sequence[float] = (0.1307,),
        std: Sequence[float] = (0.3081,),
        download: bool = True,
    ) -> None:
        images, labels = _load(DIGITS, split, download)
        super().__init__(
            images,
            labels,
            classes=tuple("0123456789"),
            name="MNIST",
            split=split,
            mean=mean,
            std=std,
            normalize=normalize,
        )


class FashionMNIST(ImageDataset):
    """Fashion-MNIST: 60,000 training and 10,000 test images of clothing, 1x28x28.

    Arguments and errors are MNIST's. Xiao, Rasul, Vollgraf: arXiv 1708.07747, 2017.
    """

    @explains_arguments
    def __init__(
        self,
        split: str = "train",
        *,
        normalize: bool = True,
        mean: Sequence[float] = (0.2860,),
        std: Sequence[float] = (0.3530,),
        download: bool = True,
    ) -> None:
        images, labels = _load(FASHION, split, download)
        super().__init__(
            images,
            labels,
            classes=(
                "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
                "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
            ),
            name="FashionMNIST",
            split=split,
            mean=mean,
            std=std,
            normalize=normalize,
        )  # fmt: skip


def _load(family: IdxFamily, split: str, download: bool) -> tuple[Uint8Array, Uint8Array]:
    check_split(split)
    arrays = [
        family.read(file, obtain(family.entry, file, family.check, download=download))
        for file in family.files(split)
    ]
    return arrays[0][:, np.newaxis], arrays[1]  # (N, 28, 28) -> (N, 1, 28, 28)
