"""ImageDataset: images and labels in memory, handed out as normalised batches.

Every image data set of this package is one: uint8 pixels as they were read, turned into float32
only when a batch is asked for (a quarter of the memory, and the pixels stay what they are). Left
out: where the pixels come from (mnist.py, cifar.py, drawn.py) and batching over an epoch (the
DataLoader).
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import SupportsIndex

import numpy as np
import numpy.typing as npt

Uint8Array = npt.NDArray[np.uint8]
Float32Array = npt.NDArray[np.float32]
Int64Array = npt.NDArray[np.int64]


class ImageDataset:
    """Images with one label each.

    Arguments:
        images: uint8, (N, C, H, W).
        labels: integers, (N,), each an index into `classes`.
        classes: the name of each class.
        name, split: what this is, for messages and reports.
        mean, std: one number per channel, of pixels scaled to [0, 1].
        normalize: True gives (pixel / 255 - mean) / std, False gives pixel / 255.

    `dataset[i]` is one float32 image (C, H, W) and its label as an int; `get_batch(indices)` is a
    whole batch at once.

    >>> pixels = np.array([[[[51, 102]]], [[[0, 255]]]], dtype=np.uint8)
    >>> data = ImageDataset(pixels, [0, 1], classes=("left", "right"), normalize=False)
    >>> data.get_batch([1])
    (array([[[[0., 1.]]]], dtype=float32), array([1]))
    """

    def __init__(
        self,
        images: Uint8Array,
        labels: npt.ArrayLike,
        *,
        classes: Sequence[str],
        name: str = "images",
        split: str = "train",
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        normalize: bool = True,
    ) -> None:
        _check_images(images)
        self.images: Uint8Array = images
        self.labels: Int64Array = _checked_labels(labels, len(images), len(classes))
        self.classes = tuple(classes)
        self.name = name
        self.split = split
        channels = images.shape[1]
        self.mean = _per_channel("mean", mean, channels, 0.0)
        self.std = _per_channel("std", std, channels, 1.0)
        if min(self.std) <= 0:
            raise ValueError(f"std={self.std}: each channel's must be above zero")
        self.normalize = normalize

        # (pixel / 255 - mean) / std is pixel * scale + shift: two passes instead of three.
        shift = -np.array(self.mean) / self.std if normalize else np.zeros(channels)
        scale = 1 / (255 * np.array(self.std)) if normalize else np.full(channels, 1 / 255)
        self._scale = scale.astype(np.float32).reshape(channels, 1, 1)
        self._shift = shift.astype(np.float32).reshape(channels, 1, 1)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: SupportsIndex) -> tuple[Float32Array, int]:
        i = operator.index(index)
        if not -len(self) <= i < len(self):
            raise IndexError(f"{self.name}[{i}]: the data set holds {len(self)} images")
        return self._normalised(self.images[i]), int(self.labels[i])

    def get_batch(self, indices: npt.ArrayLike) -> tuple[Float32Array, Int64Array]:
        """The images and labels at `indices` (B,): float32 (B, C, H, W) and int64 (B,)."""
        chosen = _checked_indices(indices, len(self))
        return self._normalised(self.images.take(chosen, axis=0)), self.labels[chosen]

    def subset(self, indices: npt.ArrayLike) -> ImageDataset:
        """The images at `indices`, in that order, as a data set of their own (a copy)."""
        chosen = _checked_indices(indices, len(self))
        return ImageDataset(
            self.images[chosen],
            self.labels[chosen],
            classes=self.classes,
            name=self.name,
            split=self.split,
            mean=self.mean,
            std=self.std,
            normalize=self.normalize,
        )

    def hold_out(self, fraction: float, seed: int = 0) -> tuple[ImageDataset, ImageDataset]:
        """Hold a random `fraction` back, for validation: (the rest, the part held out).

        The same fraction and seed always hold out the same images: the shuffle is RandomState's,
        whose stream NumPy has frozen (NEP 19).

        >>> images = np.zeros((10, 1, 2, 2), np.uint8)
        >>> rest, held = ImageDataset(images, [0] * 10, classes=("zero",)).hold_out(0.2)
        >>> len(rest), len(held)
        (8, 2)
        """
        count = round(fraction * len(self))
        if not 0 < count < len(self):
            raise ValueError(
                f"hold_out({fraction}) of {len(self)} images holds out {count}; "
                "the fraction lies between 0 and 1 and both parts need an image"
            )
        order = np.random.RandomState(seed).permutation(len(self))
        rest, held = self.subset(np.sort(order[count:])), self.subset(np.sort(order[:count]))
        held.split = "validation"
        return rest, held

    def __repr__(self) -> str:
        shape = "x".join(str(size) for size in self.images.shape[1:])
        return (
            f"{self.name}(split={self.split!r}, {len(self)} images of {shape}, "
            f"{len(self.classes)} classes)"
        )

    def _normalised(self, pixels: Uint8Array) -> Float32Array:
        out: Float32Array = pixels.astype(np.float32)
        out *= self._scale
        out += self._shift
        return out


def check_split(split: str) -> None:
    """Refuse any other split than the two that published data sets come in."""
    if split not in ("train", "test"):
        raise ValueError(
            f"split={split!r}: choose 'train' or 'test'; "
            "a validation part comes from the training images: dataset.hold_out(0.1)"
        )


def _check_images(images: Uint8Array) -> None:
    if images.dtype != np.uint8 or images.ndim != 4:
        raise ValueError(
            f"images are {images.dtype} of shape {images.shape}; expected uint8 of shape "
            "(N, C, H, W). images[:, np.newaxis] adds a single channel"
        )


def _checked_labels(labels: npt.ArrayLike, count: int, classes: int) -> Int64Array:
    given = np.asarray(labels)
    if given.shape != (count,):
        raise ValueError(f"{count} images need labels of shape ({count},), not {given.shape}")
    if not count:
        return np.zeros(0, np.int64)
    if not np.issubdtype(given.dtype, np.integer):
        raise TypeError(f"labels are {given.dtype}; expected integers, indices into classes")
    low, high = int(given.min()), int(given.max())
    if low < 0 or high >= classes:
        raise ValueError(f"labels lie in {low}..{high}; {classes} classes allow 0..{classes - 1}")
    return given.astype(np.int64)


def _checked_indices(indices: npt.ArrayLike, count: int) -> npt.NDArray[np.intp]:
    chosen = np.asarray(indices)
    if chosen.dtype == np.bool_:
        if chosen.shape != (count,):
            raise IndexError(f"a mask over {count} images has shape ({count},), not {chosen.shape}")
        return np.flatnonzero(chosen)
    if chosen.ndim != 1:
        raise IndexError(f"indices have shape {chosen.shape}; expected one axis, (B,)")
    if not chosen.size:
        return np.zeros(0, np.intp)
    if not np.issubdtype(chosen.dtype, np.integer):
        raise TypeError(f"indices are {chosen.dtype}; expected integers")
    low, high = int(chosen.min()), int(chosen.max())
    if low < -count or high >= count:
        raise IndexError(f"indices lie in {low}..{high}; the data set holds {count} images")
    return chosen.astype(np.intp)


def _per_channel(
    name: str, given: Sequence[float] | None, channels: int, default: float
) -> tuple[float, ...]:
    values = (default,) * channels if given is None else tuple(float(value) for value in given)
    if len(values) != channels:
        raise ValueError(f"{name}={values}: {channels} channels need {channels} numbers")
    return values
