"""Transforms: changes made to a batch of images as it is loaded (module 05).

A transform is any `transform(images, rng)` on an array (B, C, H, W). It is given to the loader, not
the data set, for two reasons: a whole batch is changed by a few NumPy calls, and the loader has a
generator of its own for each batch, so that the same seed gives the same images with and without
`prefetch`. Left out: labels, and whatever depends on what is in a single image.

    DataLoader(train, 128, shuffle=True, transform=Compose(RandomCrop(4), RandomHorizontalFlip()))
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinytorch.core.errors import ShapeError
from tinytorch.core.primitive import Array

Transform = Callable[[Array, np.random.Generator], Array]


class Compose:
    """Transforms one after the other: `Compose(a, b)` or `Compose([a, b])`."""

    def __init__(self, *transforms: Any) -> None:
        one_list = len(transforms) == 1 and isinstance(transforms[0], list | tuple)
        self.transforms: list[Transform] = list(transforms[0] if one_list else transforms)
        for i, transform in enumerate(self.transforms):
            if not callable(transform):
                raise TypeError(f"Compose: transform {i} is {transform!r}, which cannot be called")

    def __call__(self, images: Array, rng: np.random.Generator) -> Array:
        for transform in self.transforms:
            images = transform(images, rng)
        return images


class Normalize:
    """(images - mean) / std, with one number for each channel, or one for all; gives float32.

    Of pixels in [0, 255], mean and std are those of the pixels too.
    """

    def __init__(self, mean: float | Sequence[float], std: float | Sequence[float]) -> None:
        self.mean = np.atleast_1d(np.asarray(mean, np.float32))
        self.std = np.atleast_1d(np.asarray(std, np.float32))
        if not np.all(self.std > 0):
            raise ValueError(f"Normalize: std={std}: it must be above 0, or pixels become infinite")

    def __call__(self, images: Array, rng: np.random.Generator | None = None) -> Array:
        _check("Normalize", images)
        channels = images.shape[1]
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) not in (1, channels):
                raise ShapeError(
                    f"Normalize: {name} has {len(values)} numbers, and images of shape "
                    f"{images.shape} have {channels} channels"
                )
        mean, std = self.mean[:, np.newaxis, np.newaxis], self.std[:, np.newaxis, np.newaxis]
        out: Array = images.astype(np.float32)  # a copy: the data set's own images stay
        out -= mean
        out /= std
        return out


class RandomHorizontalFlip:
    """Mirror each image left to right with probability `p`."""

    def __init__(self, p: float = 0.5) -> None:
        if not 0 <= p <= 1:
            raise ValueError(f"RandomHorizontalFlip({p}): p is a probability, from 0 to 1")
        self.p = p

    def __call__(self, images: Array, rng: np.random.Generator) -> Array:
        _check("RandomHorizontalFlip", images)
        flipped = rng.random(len(images)) < self.p
        out = images.copy()
        out[flipped] = images[flipped, :, :, ::-1]
        return out


class RandomCrop:
    """Shift each image by up to `padding` pixels each way; what comes in from outside is `fill`.

    The same as padding all sides and cutting a piece of the old size out at a random place.
    """

    def __init__(self, padding: int, fill: float = 0.0) -> None:
        if padding < 0:
            raise ValueError(f"RandomCrop({padding}): padding is a number of pixels, at least 0")
        self.padding = padding
        self.fill = fill

    def __call__(self, images: Array, rng: np.random.Generator) -> Array:
        _check("RandomCrop", images)
        count, channels, height, width = images.shape
        border = self.padding
        wide_shape = (count, channels, height + 2 * border, width + 2 * border)
        wide = np.full(wide_shape, self.fill, images.dtype)
        wide[:, :, border : border + height, border : border + width] = images
        # every piece of the old size, as a view: (B, C, 2 * border + 1, 2 * border + 1, H, W)
        pieces = np.lib.stride_tricks.sliding_window_view(wide, (height, width), axis=(2, 3))
        top, left = rng.integers(0, 2 * border + 1, (2, count))
        chosen: Array = pieces[np.arange(count), :, top, left]  # (B, C, H, W), copied
        return chosen


def _check(name: str, images: Array) -> None:
    if images.ndim != 4:
        raise ShapeError(
            f"{name}: images have shape {images.shape}; expected (B, C, H, W). "
            "images[:, np.newaxis] adds a single channel"
        )
