"""Choosing elements: by a condition, by indices, by their place in a matrix.

Besides indexing, x[...], of module 01. Left out: choosing by size (`sorting.py`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from tinytorch.core.errors import ShapeError
from tinytorch.core.primitive import Array, Record, gradient, primitive


@primitive
def where(condition: Array, x: Array, y: Array) -> Array:
    """x where `condition` is true, else y; all three broadcast.

    What is not chosen gets no gradient, not even where it is nan or infinite; but if it was
    computed by x / 0, say, its own rule multiplies that 0 by infinity. Change the input instead:
    `where(ok, 1 / where(ok, x, 1), 0)`.
    """
    return np.where(condition, x, y)


@gradient("where")
def where_gradient(g: Array, call: Record) -> Any:
    condition = call.arrays[0]
    return (
        None,
        np.where(condition, g, 0) if call.needs[1] else None,
        np.where(condition, 0, g) if call.needs[2] else None,
    )


@primitive
def masked_fill(x: Array, mask: Array, *, value: float) -> Array:
    """x, but `value` where `mask` (bool, broadcasting) is true; x's type stays.

    Attention uses it with value=-inf, and softmax makes 0 of that. Raises TypeError for a mask
    that is not boolean.
    """
    if np.asarray(mask).dtype != bool:
        raise TypeError(
            f"masked_fill: the mask holds {np.asarray(mask).dtype}, not booleans; "
            "compare first, mask == 0 or mask != 0, so that it is clear what is filled"
        )
    x = np.asarray(x)
    return np.where(mask, x.dtype.type(value), x)


@gradient("masked_fill")
def masked_fill_gradient(g: Array, call: Record) -> Any:
    return np.where(call.arrays[1], 0, g), None


@primitive
def take_along_axis(x: Array, indices: Array, *, axis: int) -> Array:
    """Elements of x at `indices` along `axis` (PyTorch's `gather`); elsewhere places match.

    x and indices have equally many axes, and broadcast except along `axis`; the result has the size
    of `indices` along it. An element taken twice receives both gradients. Raises IndexError.

    >>> from tinytorch.core.ops import take_along_axis, tensor
    >>> take_along_axis(tensor([[1, 2, 3], [4, 5, 6]]), tensor([[2], [0]]), axis=1).tolist()
    [[3], [4]]
    """
    return np.take_along_axis(x, indices, axis)


@gradient("take_along_axis")
def take_along_axis_gradient(g: Array, call: Record) -> Any:
    x, indices = call.arrays
    places = list(np.ogrid[tuple(slice(n) for n in x.shape)])  # axis i counted along axis i
    places[call.params["axis"]] = indices
    dx = np.zeros_like(x)
    np.add.at(dx, tuple(places), g)
    return dx, None


@primitive
def tril(x: Array, *, k: int = 0) -> Array:
    """The lower triangle of each matrix (the last two axes), 0 above the k-th diagonal.

    k = 0 is the main diagonal, 1 the one above it. Raises ShapeError for fewer than two axes.
    """
    return np.tril(_matrix("tril", x), k)


@primitive
def triu(x: Array, *, k: int = 0) -> Array:
    """The upper triangle of each matrix (the last two axes), 0 below the k-th diagonal.

    k = 0 is the main diagonal, 1 the one above it. Raises ShapeError for fewer than two axes.
    """
    return np.triu(_matrix("triu", x), k)


def _matrix(name: str, x: Array) -> Array:
    if np.ndim(x) < 2:
        raise ShapeError(f"{name}: shape {np.shape(x)}: a matrix has two axes; reshape it first")
    return x


@gradient("tril")
def tril_gradient(g: Array, call: Record) -> Any:
    return np.tril(g, call.params.get("k", 0))


@gradient("triu")
def triu_gradient(g: Array, call: Record) -> Any:
    return np.triu(g, call.params.get("k", 0))


@primitive(differentiable=False)
def one_hot(indices: Array, *, num_classes: int, dtype: DTypeLike = np.float32) -> Array:
    """A 1 at each index, along a new last axis of size `num_classes`, else 0.

    indices (...) -> (..., num_classes). Raises TypeError for indices that are no integers, and
    IndexError for those outside of 0 ... num_classes - 1.

    >>> from tinytorch.core.ops import one_hot
    >>> one_hot([2, 0], num_classes=3).tolist()
    [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]
    """
    indices = np.asarray(indices)
    if indices.dtype.kind not in "iu":
        raise TypeError(f"one_hot: indices are integers, not {indices.dtype}: .astype(np.int64)?")
    if indices.size and not (indices.min() >= 0 and indices.max() < num_classes):
        raise IndexError(
            f"one_hot: indices run from {indices.min()} to {indices.max()}, but there are "
            f"{num_classes} classes, 0 to {num_classes - 1}"
        )
    out = np.zeros((*indices.shape, num_classes), dtype)
    np.put_along_axis(out, indices[..., np.newaxis], 1, axis=-1)
    return out
