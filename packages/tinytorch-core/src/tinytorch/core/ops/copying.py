"""The same elements, copied: once, several times, with something around them, or as another type.

Left out: what needs no copy (`shape.py`) and what joins several tensors (`joining.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index
from numpy.typing import DTypeLike

from tinytorch.core.errors import ShapeError
from tinytorch.core.primitive import Array, Record, gradient, primitive, wrap
from tinytorch.core.tensor import Tensor

Widths = int | Sequence[int] | Sequence[Sequence[int]]


@primitive
def clone(x: Array) -> Array:
    """A copy that gradients flow through."""
    return np.copy(x)


@gradient("clone")
def clone_gradient(g: Array, call: Record) -> Any:
    return g


# Other types. The wanted type comes as an (empty) operand of that type, not as a parameter: it is
# what tells the door that float64 is meant to come out.
@primitive
def cast(x: Array, like: Array) -> Array:
    """x as the floating-point type of `like`; gradients flow back in x's own type."""
    return np.asarray(x).astype(like.dtype)


@gradient("cast")
def cast_gradient(g: Array, call: Record) -> Any:
    return g, None


@primitive(differentiable=False)
def convert(x: Array, like: Array) -> Array:
    """x as the type of `like`, which is no floating point: nothing that a gradient could follow."""
    return np.asarray(x).astype(like.dtype)


def astype(x: Any, dtype: DTypeLike) -> Tensor:
    """Copy x as another type. Gradients flow from floating point to floating point, else not.

    Floating point becomes an integer by dropping what is behind the point. Raises TypeError for
    types that a tensor cannot have.

    >>> from tinytorch.core.ops import astype, tensor
    >>> astype(tensor([1.7, -1.7]), int)
    Tensor([ 1, -1])
    """
    kind = np.dtype(dtype).kind
    if kind not in "fiub":
        raise TypeError(f"astype: a tensor holds numbers, not {np.dtype(dtype)}")
    like = wrap(np.empty(0, dtype), None)
    return cast(x, like) if kind == "f" else convert(x, like)


# Several times
@primitive
def tile(x: Array, *, reps: int | tuple[int, ...]) -> Array:
    """x laid side by side, `reps` times along each axis (NumPy's `tile`, PyTorch's `repeat`).

    Fewer numbers than axes count for the last axes; more of them make new axes in front.

    >>> from tinytorch.core.ops import tensor, tile
    >>> tile(tensor([1, 2]), reps=(2, 2)).tolist()
    [[1, 2, 1, 2], [1, 2, 1, 2]]
    """
    return np.tile(x, reps)


@gradient("tile")
def tile_gradient(g: Array, call: Record) -> Any:
    (x,) = call.arrays
    given = [int(n) for n in np.atleast_1d(call.params["reps"])]
    reps = [1] * (g.ndim - len(given)) + given
    sizes = [1] * (g.ndim - x.ndim) + list(x.shape)
    pairs = [n for pair in zip(reps, sizes, strict=True) for n in pair]
    summed = g.reshape(pairs).sum(axis=tuple(range(0, 2 * g.ndim, 2)))  # (2, 3, 4, 5) -> (3, 5)
    return summed.reshape(x.shape)


@primitive
def repeat(x: Array, *, repeats: int | Sequence[int], axis: int) -> Array:
    """Each element along `axis`, `repeats` times in a row (PyTorch's `repeat_interleave`).

    repeats  one number for all, or one for each element along the axis

    >>> from tinytorch.core.ops import repeat, tensor
    >>> repeat(tensor([1, 2]), repeats=2, axis=0).tolist()
    [1, 1, 2, 2]
    """
    return np.repeat(x, repeats, normalize_axis_index(axis, np.ndim(x)))


@gradient("repeat")
def repeat_gradient(g: Array, call: Record) -> Any:
    (x,) = call.arrays
    axis, repeats = normalize_axis_index(call.params["axis"], x.ndim), call.params["repeats"]
    if isinstance(repeats, int):  # (..., n * repeats, ...) -> (..., n, repeats, ...), and sum
        return g.reshape(*x.shape[: axis + 1], repeats, *x.shape[axis + 1 :]).sum(axis=axis + 1)
    source = np.repeat(np.arange(x.shape[axis]), repeats)
    dx = np.zeros_like(x)
    np.add.at(np.moveaxis(dx, axis, 0), source, np.moveaxis(g, axis, 0))  # in views of both
    return dx


# With something around them
@primitive
def pad(x: Array, *, pad_width: Widths, value: float = 0) -> Array:
    """x with `value` around it, in x's type.

    pad_width  how many elements: one number for both ends of all axes; (before, after) for all
               axes; or such a pair for each axis

    Raises ShapeError for widths that fit no axis, or are negative.

    >>> from tinytorch.core.ops import pad, tensor
    >>> pad(tensor([[1, 2]]), pad_width=((0, 0), (1, 2))).tolist()
    [[0, 1, 2, 0, 0]]
    """
    x = np.asarray(x)
    shape = tuple(n + sum(pair) for n, pair in zip(x.shape, _pairs(x, pad_width), strict=True))
    out = np.full_like(x, value, shape=shape)  # keeps the layout, which np.pad does not
    out[_inside(x, pad_width)] = x
    return out


@gradient("pad")
def pad_gradient(g: Array, call: Record) -> Any:
    return g[_inside(call.arrays[0], call.params["pad_width"])]


def _pairs(x: Array, pad_width: Widths) -> list[tuple[int, int]]:
    """Return (before, after) for each axis."""
    widths = np.asarray(pad_width)
    fits = widths.shape in {(), (2,), (x.ndim, 2)}
    if not fits or widths.dtype.kind not in "iu" or (widths < 0).any():
        raise ShapeError(
            f"pad: pad_width {pad_width!r} for shape {x.shape}: give a number, a pair "
            f"(before, after), or {x.ndim} such pairs; none negative"
        )
    return [(int(a), int(b)) for a, b in np.broadcast_to(widths, (x.ndim, 2))]


def _inside(x: Array, pad_width: Widths) -> tuple[slice, ...]:
    """Return the index of x in its padded form."""
    pairs = zip(x.shape, _pairs(x, pad_width), strict=True)
    return tuple(slice(before, before + n) for n, (before, _) in pairs)
