"""The shortest memory of earlier positions that attention can be given: see `attention.Past`."""

from __future__ import annotations

import tinytorch
from tinytorch import Tensor


class Remembered:
    """It joins what it gets to what it has."""

    def __init__(self) -> None:
        self.parts: list[tuple[Tensor, Tensor]] = []

    @property
    def length(self) -> int:
        """How many positions it holds."""
        return sum(k.shape[2] for k, _ in self.parts)

    def extend(self, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Add keys and values (B, heads, T, features) of new positions; return those of all."""
        self.parts.append((k, v))
        keys, values = zip(*self.parts, strict=True)
        return tinytorch.concatenate(keys, axis=2), tinytorch.concatenate(values, axis=2)
