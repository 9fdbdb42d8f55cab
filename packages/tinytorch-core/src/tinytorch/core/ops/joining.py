"""Several tensors to one, and one to several.

Left out: one tensor with itself (`tile` and `repeat`, in `copying.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any, Never

import numpy as np

from tinytorch.core.errors import ShapeError
from tinytorch.core.ops.shape import expand_dims
from tinytorch.core.primitive import Array, Record, gradient, primitive
from tinytorch.core.tensor import Tensor


@primitive
def concat(*arrays: Array, axis: int) -> Array:
    """The operands one after the other along `axis`: what `concatenate` and `stack` call.

    Raises ShapeError unless all other sizes agree.
    """
    try:
        return np.concatenate(arrays, axis)
    except np.exceptions.AxisError:
        raise
    except ValueError:
        shapes = ", ".join(str(np.shape(a)) for a in arrays)
        raise ShapeError(
            f"concatenate: shapes {shapes or 'none'} along axis {axis}: there must be at least one "
            "array, none of them a single number, with equal sizes along all other axes"
        ) from None


@gradient("concat")
def concat_gradient(g: Array, call: Record) -> Any:
    axis = call.params["axis"]
    ends = list(accumulate(a.shape[axis] for a in call.arrays))
    return tuple(np.split(g, ends[:-1], axis))


def concatenate(tensors: Sequence[Any], axis: int = 0, **unknown: Never) -> Tensor:
    """Join tensors along an axis that they have; all other sizes must agree, else ShapeError.

    >>> from tinytorch.core.ops import concatenate, zeros
    >>> concatenate([zeros(2, 3), zeros(4, 3)]).shape
    (6, 3)
    """
    return concat(*tensors, axis=axis, **unknown)


def stack(tensors: Sequence[Any], axis: int = 0, **unknown: Never) -> Tensor:
    """Join tensors of one shape along a new axis, which stands at `axis` in the result.

    Raises ShapeError where shapes differ.

    >>> from tinytorch.core.ops import stack, zeros
    >>> stack([zeros(2, 3), zeros(2, 3)], axis=1).shape
    (2, 2, 3)
    """
    shapes = {np.shape(t) for t in tensors}
    if len(shapes) != 1:
        listed = " and ".join(str(shape) for shape in sorted(shapes)) or "none"
        raise ShapeError(
            f"stack: shapes {listed}: all must be the same; concatenate() joins different sizes"
        )
    return concat(*[expand_dims(t, axis=axis) for t in tensors], axis=axis, **unknown)


@primitive
def split(x: Array, *, sections: int | Sequence[int], axis: int = 0) -> list[Array]:
    """Cut x along `axis`, and return a tuple of tensors (views of x). NumPy's `split`.

    sections  a number of equal parts, or the places to cut at: (2, 5) gives [:2], [2:5], [5:].
              PyTorch's `split` takes the parts' sizes instead.

    Raises ShapeError where x cannot be cut into equal parts.

    >>> from tinytorch.core.ops import arange, split
    >>> first, rest = split(arange(6), sections=(2,))
    >>> first, rest
    (Tensor([0, 1]), Tensor([2, 3, 4, 5]))
    """
    if isinstance(sections, int) and (sections < 1 or x.shape[axis] % sections):
        raise ShapeError(
            f"split: axis {axis} of shape {x.shape} has size {x.shape[axis]}, which cannot be cut "
            f"into {sections} equal parts; name the places to cut at instead: sections=(2, 5)"
        )
    return np.split(x, sections, axis)


@gradient("split")
def split_gradient(g: tuple[Array, ...], call: Record) -> Any:
    return np.concatenate(g, call.params.get("axis", 0))
