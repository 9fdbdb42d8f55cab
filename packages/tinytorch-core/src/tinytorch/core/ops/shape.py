"""The same elements in another shape or order. All are views: no element moves in memory.

Besides `reshape`, `transpose` and indexing of module 01. Left out: what copies elements, such as
`tile` and `pad` (`copying.py`), and what joins several tensors (`joining.py`).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinytorch.core.errors import ShapeError, broadcast_error
from tinytorch.core.methods import Axis
from tinytorch.core.primitive import Array, Record, gradient, primitive
from tinytorch.core.tensor import Tensor, reshape


@primitive
def permute(x: Array, *, axes: tuple[int, ...]) -> Array:
    """The axes in another order: axis i of the result is axis `axes[i]` of x.

    Raises ShapeError unless `axes` names each axis once; negative ones count from the end.

    >>> from tinytorch.core.ops import permute, zeros
    >>> permute(zeros(2, 3, 4), axes=(2, 0, 1)).shape
    (4, 2, 3)
    """
    if sorted(axis % max(np.ndim(x), 1) for axis in axes) != list(range(np.ndim(x))):
        raise ShapeError(
            f"permute: axes {tuple(axes)} for shape {np.shape(x)}: "
            f"name each of the {np.ndim(x)} axes once"
        )
    return np.transpose(x, axes)


@gradient("permute")
def permute_gradient(g: Array, call: Record) -> Any:
    places = [axis % g.ndim for axis in call.params["axes"]]
    return np.transpose(g, np.argsort(places))


@primitive
def squeeze(x: Array, *, axis: Axis = None) -> Array:
    """x without the axes of size 1, or without those in `axis`.

    Raises ShapeError where an axis in `axis` has another size.
    """
    try:
        return np.squeeze(x, axis)
    except np.exceptions.AxisError:
        raise
    except ValueError:
        raise ShapeError(
            f"squeeze: axis {axis} of shape {np.shape(x)}: only an axis of size 1 can go"
        ) from None


@primitive
def expand_dims(x: Array, *, axis: int | tuple[int, ...]) -> Array:
    """x with new axes of size 1, which stand at `axis` in the result.

    >>> from tinytorch.core.ops import expand_dims, zeros
    >>> expand_dims(zeros(2, 3), axis=-1).shape
    (2, 3, 1)
    """
    return np.expand_dims(x, axis)


@gradient("squeeze", "expand_dims")
def same_elements_gradient(g: Array, call: Record) -> Any:
    return g.reshape(call.arrays[0].shape)


def flatten(x: Tensor, start_axis: int = 0, end_axis: int = -1) -> Tensor:
    """Make one axis of the axes from `start_axis` to `end_axis`, both included.

    A number becomes a vector of one element. Raises ShapeError for axes that x does not have, or
    that stand the wrong way round.

    >>> from tinytorch.core.ops import flatten, zeros
    >>> flatten(zeros(2, 3, 4, 5), start_axis=1).shape
    (2, 60)
    """
    shape = x.shape or (1,)
    axes = range(-len(shape), len(shape))
    if start_axis not in axes or end_axis not in axes:
        raise ShapeError(
            f"flatten: axes {start_axis} to {end_axis} of shape {x.shape}: "
            f"axes run from {axes.start} to {axes.stop - 1}"
        )
    start, end = start_axis % len(shape), end_axis % len(shape)
    if start > end:
        raise ShapeError(
            f"flatten: axes {start_axis} to {end_axis} of shape {x.shape}: "
            "the first comes after the last; swap them?"
        )
    size = math.prod(shape[start : end + 1])
    return reshape(x, shape=(*shape[:start], size, *shape[end + 1 :]))


@primitive
def broadcast_to(x: Array, *, shape: tuple[int, ...]) -> Array:
    """x stretched to `shape`: axes of size 1, and axes that x lacks in front, are repeated.

    The elements are not copied, so the result cannot be written to. Raises ShapeError.
    """
    try:
        return np.broadcast_to(x, shape)
    except ValueError:
        raise broadcast_error("broadcast_to", [np.shape(x), tuple(shape)]) from None


@gradient("broadcast_to")
def broadcast_to_gradient(g: Array, call: Record) -> Any:
    return g  # backward sums over what was stretched


@primitive
def flip(x: Array, *, axis: Axis = None) -> Array:
    """The elements in reverse order along one axis, several, or all of them."""
    return np.flip(x, axis)


@gradient("flip")
def flip_gradient(g: Array, call: Record) -> Any:
    return np.flip(g, call.params.get("axis"))
