"""The gradient of plain indexing, x[2:5, 0], by assignment.

The rule adds element by element (`np.add.at`), because an array of indices may name an element
twice. Integers, slices, None and ... cannot: there the gradient is simply put where it came from.
"""

from types import EllipsisType
from typing import Any

import numpy as np

from tinytorch.core.primitive import Array, Record, kernel


def is_plain(index: Any) -> bool:
    """Whether an index names every element at most once."""
    parts = index if isinstance(index, tuple) else (index,)
    return all(
        part is None or isinstance(part, slice | EllipsisType) or type(part) is int
        for part in parts
    )


def forward(arrays: list[Any], params: dict[str, Any], saving: bool) -> tuple[Array, None] | None:
    if not (saving and is_plain(params["index"])):
        return None
    return arrays[0][params["index"]], None


def backward(g: Array, call: Record) -> Array:
    dx = np.zeros_like(call.arrays[0])
    dx[call.params["index"]] = g
    return dx


kernel("getitem", forward, backward)
