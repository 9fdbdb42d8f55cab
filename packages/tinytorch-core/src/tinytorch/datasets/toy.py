"""Points in the plane for the first milestones: two separable clouds (1958) and XOR (1969).

Made from a seed by arithmetic alone, so the same arguments give the same numbers everywhere. Left
out: pictures (drawn.py), and anything with more than two features.
"""

from __future__ import annotations

import operator
from typing import SupportsIndex

import numpy as np
import numpy.typing as npt

from tinytorch.datasets.image_dataset import Float32Array, Int64Array


class PointDataset:
    """Points `x` float32 (N, 2), each with a class `y` int64 (N,) of 0 or 1."""

    def __init__(self, name: str, x: npt.ArrayLike, y: npt.ArrayLike) -> None:
        self.name = name
        self.x: Float32Array = np.asarray(x, np.float32)
        self.y: Int64Array = np.asarray(y, np.int64)

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, index: SupportsIndex) -> tuple[Float32Array, int]:
        i = operator.index(index)
        if not -len(self) <= i < len(self):
            raise IndexError(f"{self.name}[{i}]: the data set holds {len(self)} points")
        return self.x[i], int(self.y[i])

    def get_batch(self, indices: npt.ArrayLike) -> tuple[Float32Array, Int64Array]:
        """The points and classes at `indices` (B,): float32 (B, 2) and int64 (B,)."""
        return self.x[np.asarray(indices)], self.y[np.asarray(indices)]

    def __repr__(self) -> str:
        return f"{self.name}({len(self)} points, 2 classes)"


class Blobs(PointDataset):
    """Two clouds that a straight line separates, at least `margin` apart.

    Arguments:
        n: points in all; the classes alternate.
        margin: width of the empty strip between the clouds. Rosenblatt's perceptron needs at most
            (R / (margin / 2))**2 corrections, R the largest distance from the origin (Novikoff
            1962).
        seed: turns and moves the strip, and places the points.

    `normal` (2,) and `offset` record the line: `x @ normal > offset` for class 1.

    >>> blobs = Blobs(n=100, margin=0.5)
    >>> bool(np.all((blobs.x @ blobs.normal > blobs.offset) == (blobs.y == 1)))
    True
    """

    def __init__(self, n: int = 200, margin: float = 0.5, seed: int = 0) -> None:
        if n < 2 or margin <= 0:
            raise ValueError(f"Blobs(n={n}, margin={margin}): two clouds need two points and a gap")
        generator = np.random.RandomState(seed)
        tangent, self.offset = generator.uniform(-1, 1), generator.uniform(-0.3, 0.3)
        cosine = (1 - tangent * tangent) / (1 + tangent * tangent)
        sine = 2 * tangent / (1 + tangent * tangent)
        self.normal = np.array([cosine, sine])
        draws = generator.random_sample((n, 4))
        y = np.arange(n) % 2
        # Points crowd towards the strip (a product of uniforms) and thin out along it (a sum of
        # them). A hair is added to the margin, for the rounding to float32.
        across = (2 * y - 1) * (margin / 2 + 1e-6 + 1.5 * draws[:, 0] * draws[:, 1])
        along = 1.5 * (draws[:, 2] + draws[:, 3] - 1)
        across += self.offset
        x = np.stack([cosine * across - sine * along, sine * across + cosine * along], axis=1)
        super().__init__("Blobs", x, y)


class XOR(PointDataset):
    """The four points that no straight line separates: y = 1 where exactly one coordinate is 1."""

    def __init__(self) -> None:
        super().__init__("XOR", [(0, 0), (0, 1), (1, 0), (1, 1)], [0, 1, 1, 0])


class NoisyXOR(PointDataset):
    """XOR with each point moved by up to `noise` (less than 0.5, so the classes stay apart).

    Arguments:
        n: points in all; the four corners take turns.
        noise: the largest shift of a coordinate.
        seed: another seed, other shifts.
    """

    def __init__(self, n: int = 200, noise: float = 0.25, seed: int = 0) -> None:
        if not 0 <= noise < 0.5:
            raise ValueError(
                f"noise={noise}: at 0.5 the four clouds touch; choose 0 <= noise < 0.5"
            )
        corner = XOR().get_batch(np.arange(n) % 4)
        shifts = (2 * np.random.RandomState(seed).random_sample((n, 2)) - 1) * noise
        super().__init__("NoisyXOR", corner[0] + shifts, corner[1])
