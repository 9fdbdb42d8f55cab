"""What a picture becomes before a model sees it, as an exported file says it of itself.

    how = Preparation.of(MNIST("test"))          # what training images went through
    how.apply(picture)                           # uint8 (H, W) or (H, W, 3) -> float32 (1, C, H, W)

In a file's metadata it is JSON under "preprocess". Left out: reading pictures from files.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tinytorch.datasets import ImageDataset
from tinytorch.opt.deploy.scripts.pictures import grey, resize

Array = np.ndarray[Any, np.dtype[Any]]
DIGITS = "MNIST", "DrawnDigits"
LIGHT_ON_DARK = *DIGITS, "FashionMNIST"
KEY = "preprocess"  # as in the bundles of `deploy`
KINDS = "picture", "digit"  # of what is prepared here; those have others


@dataclass(frozen=True)
class Preparation:
    """(pixel / 255 - mean) / std, of a picture of one size.

    shape       (channels, height, width); 1 channel is brightness, 3 are red, green and blue
    mean, std   of pixels in 0..1, one for each channel
    kind        "digit" for one digit, which may have to be found on paper first; else "picture"
    background  "dark" where the training images are light on dark: a picture with a light margin is
                turned over, white for black. None where it is taken as it is
    reject      the "probability" and the "score" that an answer must have, where they were measured
    """

    shape: tuple[int, int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    kind: str = "picture"
    background: str | None = None
    reject: Mapping[str, float] | None = None

    @classmethod
    def of(cls, data: ImageDataset) -> Preparation:
        """What a data set does to its images."""
        channels, height, width = data.images.shape[1:]
        nothing = (0.0,) * channels, (1.0,) * channels
        mean, std = (data.mean, data.std) if data.normalize else nothing
        return cls(
            (channels, height, width),
            tuple(mean),
            tuple(std),
            "digit" if data.name in DIGITS else "picture",
            "dark" if data.name in LIGHT_ON_DARK else None,
        )

    @classmethod
    def read(cls, texts: Mapping[str, str]) -> Preparation | None:
        """What a file's metadata say, or None where they say nothing of pictures.

        Raises ValueError for what cannot be understood.
        """
        if KEY not in texts:
            return None
        try:
            found = json.loads(texts[KEY])
            kind = str(found["kind"])
            if kind not in KINDS:
                return None
            channels, height, width = map(int, found["shape"])
            mean, std = (tuple(float(v) for v in found[key]) for key in ("mean", "std"))
            least = found.get("reject")
            reject = None if least is None else {key: float(v) for key, v in least.items()}
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"its metadata say {KEY}: {texts[KEY]}, which lacks {error}") from None
        if channels not in (1, 3) or {len(mean), len(std)} != {channels} or min(std) <= 0:
            raise ValueError(f"its metadata say {KEY}: {texts[KEY]}, which does not fit together")
        background = found.get("background", "dark" if kind == "digit" else None)
        return cls((channels, height, width), mean, std, kind, background, reject)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.shape[1:]

    def as_metadata(self) -> dict[str, Any]:
        """The entry for a file's metadata."""
        return {KEY: {key: v for key, v in asdict(self).items() if key != "reject" or v}}

    def turns_over(self, picture: Array) -> bool:
        """Whether light and dark are exchanged: where the margin is light and should be dark."""
        if self.background != "dark":
            return False
        light = grey(picture)
        margin = np.concatenate([light[0], light[-1], light[1:-1, 0], light[1:-1, -1]])
        return float(np.median(margin)) > 0.5

    def apply(self, picture: Array, invert: bool | None = None, fit: bool = False) -> Array:
        """Make a picture, uint8 (H, W) or (H, W, 3), what the model takes: (1, *shape).

        invert  whether to exchange light and dark; None decides by the margin
        fit     whether to cut the middle out and shrink (or blow up) it to the size

        A digit is looked for in a larger picture, as bundles do: dark ink on bright paper. Raises
        ValueError for other sizes, and where there is no digit.
        """
        if self.on_paper(picture, fit):
            return self.found_on_paper(255 - picture if invert else picture)
        invert = self.turns_over(picture) if invert is None else invert
        if picture.shape[:2] != self.size:
            if not fit:
                raise ValueError(
                    f"it is {picture.shape[0]} x {picture.shape[1]} (height x width), and the "
                    f"model reads {self.size[0]} x {self.size[1]}: --fit cuts the middle out and "
                    "shrinks it"
                )
            picture = resize(middle(picture, self.size), *self.size)
        if self.shape[0] == 1:
            pixels = grey(picture)[np.newaxis]  # (1, H, W)
        elif picture.ndim == 2:
            pixels = np.repeat(picture[np.newaxis] / np.float32(255), 3, axis=0)
        else:
            pixels = np.moveaxis(picture[..., :3] / np.float32(255), 2, 0)  # (H, W, 3) -> (3, H, W)
        pixels = 1 - pixels if invert else pixels
        mean, std = (np.reshape(v, (-1, 1, 1)).astype(np.float32) for v in (self.mean, self.std))
        return np.ascontiguousarray(((pixels - mean) / std)[np.newaxis], np.float32)

    def on_paper(self, picture: Array, fit: bool) -> bool:
        """Whether a digit has to be found in this picture first."""
        larger = min(picture.shape[:2]) >= max(self.size) and picture.shape[:2] != self.size
        return self.kind == "digit" and larger and not fit

    def found_on_paper(self, picture: Array) -> Array:
        """The digit on a paper, by the program that does it in bundles. Raises ValueError."""
        from tinytorch.opt.deploy.contents import prepared

        try:
            return prepared(picture, asdict(self))
        except ValueError as error:  # "raw cannot be prepared: paper.NotADigitError: two things"
            raise ValueError(str(error).rpartition("Error: ")[2]) from None


def middle(picture: Array, size: tuple[int, int]) -> Array:
    """The largest part around the middle that has the proportions of `size`."""
    height, width = picture.shape[:2]
    scale = min(height / size[0], width / size[1])
    rows, columns = max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
    top, left = (height - rows) // 2, (width - columns) // 2
    return picture[top : top + rows, left : left + columns]


# What the weights that come with tinytorch-arch were trained on
SHIPPED = {
    "lenet5": Preparation((1, 28, 28), (0.1307,), (0.3081,), "digit", "dark"),
}
LABELS = {"lenet5": tuple("0123456789")}
