"""Sizes that layers are made with: whole numbers of at least 1, or an error that names the layer.

Left out: pairs of sizes, of kernels and steps (`walks.py`).
"""

from __future__ import annotations

import operator


def require_sizes(layer: str, **sizes: object) -> None:
    """Raise TypeError or ValueError, naming the argument, unless all are whole numbers above 0.

    >>> require_sizes("LayerNorm", features=8.0)
    Traceback (most recent call last):
    TypeError: LayerNorm: features=8.0 must be a whole number; int(...) or //?
    """
    for name, size in sizes.items():
        try:
            number = operator.index(size)  # type: ignore[arg-type]
        except TypeError:
            raise TypeError(
                f"{layer}: {name}={size!r} must be a whole number; int(...) or //?"
            ) from None
        if number < 1:
            raise ValueError(f"{layer}: {name}={size!r}: sizes must be at least 1")
