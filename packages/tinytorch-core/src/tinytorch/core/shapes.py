"""One question that every rule of a reduction asks: where did the reduced axes go?"""

from typing import Any

import numpy as np


def restore_axes(g: Any, axis: int | tuple[int, ...] | None, keepdims: bool) -> Any:
    """Give an array that a reduction made its axes of size 1 back, so that it broadcasts again.

    g of shape (3,), from reducing (3, 4) over axis 1 -> (3, 1). With axis None it is a scalar and
    broadcasts as it is.
    """
    return g if keepdims or axis is None else np.expand_dims(g, axis)
