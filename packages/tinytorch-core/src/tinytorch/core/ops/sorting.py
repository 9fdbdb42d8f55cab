"""Sorting. Only `argsort` computes; gradients flow through the elements that it picks.

Left out: `unique`, `searchsorted` and other questions whose answer's shape depends on the data.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinytorch.core.errors import ShapeError
from tinytorch.core.ops.selection import take_along_axis
from tinytorch.core.primitive import Array, primitive
from tinytorch.core.tensor import Tensor


@primitive(differentiable=False)
def argsort(x: Array, *, axis: int = -1, descending: bool = False) -> Array:
    """The indices that would sort x along `axis`. Equal elements keep their order; nan comes last,
    or first where `descending`.
    """
    if not descending:
        return np.argsort(x, axis=axis, kind="stable")
    order = np.argsort(np.flip(x, axis), axis=axis, kind="stable")  # so that ties keep their order
    return x.shape[axis] - 1 - np.flip(order, axis)


def sort(x: Tensor, axis: int = -1, descending: bool = False) -> Tensor:
    """The elements in order along `axis`. Each gradient goes back to where its element came from.

    >>> from tinytorch.core.ops import sort, tensor
    >>> sort(tensor([3, 1, 2]), descending=True)
    Tensor([3, 2, 1])
    """
    return take_along_axis(x, argsort(x, axis=axis, descending=descending), axis=axis)


def topk(x: Tensor, k: int, axis: int = -1) -> tuple[Tensor, Tensor]:
    """The k largest elements along `axis`, largest first, and their indices.

    Raises ShapeError where there are fewer than k.

    >>> from tinytorch.core.ops import tensor, topk
    >>> topk(tensor([3, 1, 2]), k=2)
    (Tensor([3, 2]), Tensor([0, 2]))
    """
    if not 0 <= k <= x.shape[axis]:
        raise ShapeError(
            f"topk: k is {k}, but axis {axis} of shape {x.shape} has {x.shape[axis]} elements"
        )
    first: list[Any] = [slice(None)] * x.ndim
    first[axis] = slice(k)
    indices = argsort(x, axis=axis, descending=True)[tuple(first)]
    return take_along_axis(x, indices, axis=axis), indices
