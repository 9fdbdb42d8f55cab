"""The tensor's further methods: one line each, naming the operation in `ops/` that does the work.

`Tensor` inherits them, so that lesson 01's file holds only what that lesson teaches. Given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Never

import numpy as np
from numpy.typing import DTypeLike

from tinytorch.core.context import current
from tinytorch.core.elsewhere import ATTRIBUTES, explains_attributes, ufunc_error
from tinytorch.core.errors import GradientError
from tinytorch.core.late import late

if TYPE_CHECKING:
    from tinytorch.core.tensor import Tensor

Axis = int | tuple[int, ...] | None


def flat(sizes: tuple[Any, ...]) -> tuple[int, ...]:
    """Accept f(2, 3) and f((2, 3)) alike."""
    return tuple(sizes[0]) if len(sizes) == 1 and isinstance(sizes[0], tuple | list) else sizes


@explains_attributes(ATTRIBUTES)
class Methods:
    """What a tensor can do besides the primitives of module 01.

    Reductions hand `unknown` arguments, such as PyTorch's `dim`, to the door, which refuses them.
    """

    __slots__ = ()

    def __format__(self: Any, spec: str) -> str:
        """`f"{loss:.3f}"` formats a single element; without a format any tensor shows itself."""
        return format(self.item(), spec) if spec else str(self)

    def __array_ufunc__(
        self, ufunc: Any, method: str, x: Any, y: Any = None, *more: Any, **options: Any
    ) -> Tensor:
        """array + tensor is tensor.__radd__(array); any other function of NumPy is refused."""
        if y is self and ufunc in _REFLECTED and method == "__call__" and not options:
            result: Tensor = getattr(y, _REFLECTED[ufunc])(x)
            return result
        raise ufunc_error(ufunc.__name__, self)

    def __iadd__(self, other: Any) -> Tensor:
        return _in_place(self, self + other)

    def __isub__(self, other: Any) -> Tensor:
        return _in_place(self, self - other)

    def __imul__(self, other: Any) -> Tensor:
        return _in_place(self, self * other)

    def __itruediv__(self, other: Any) -> Tensor:
        return _in_place(self, self / other)

    def __hash__(self) -> int:
        return id(self)

    def clone(self) -> Tensor:
        """A copy that gradients flow through."""
        return late("ops").clone(self)

    def astype(self, dtype: DTypeLike) -> Tensor:
        """The same values as another type. Gradients flow from floating point to floating point."""
        return late("ops").astype(self, dtype)

    def __eq__(self, other: Any) -> Tensor:  # type: ignore[override]
        return late("ops").equal(self, other)

    def __ne__(self, other: Any) -> Tensor:  # type: ignore[override]
        return late("ops").not_equal(self, other)

    def __lt__(self, other: Any) -> Tensor:
        return late("ops").less(self, other)

    def __le__(self, other: Any) -> Tensor:
        return late("ops").less_equal(self, other)

    def __gt__(self, other: Any) -> Tensor:
        return late("ops").greater(self, other)

    def __ge__(self, other: Any) -> Tensor:
        return late("ops").greater_equal(self, other)

    def __and__(self, other: Any) -> Tensor:
        return late("ops").logical_and(self, other)

    def __or__(self, other: Any) -> Tensor:
        return late("ops").logical_or(self, other)

    def __invert__(self) -> Tensor:
        return late("ops").logical_not(self)

    def __abs__(self) -> Tensor:
        return late("ops").abs(self)

    def abs(self) -> Tensor:
        return late("ops").abs(self)

    def sqrt(self) -> Tensor:
        return late("ops").sqrt(self)

    def clip(self, low: float | None = None, high: float | None = None) -> Tensor:
        return late("ops").clip(self, low=low, high=high)

    def min(self, axis: Axis = None, keepdims: bool = False, **unknown: Never) -> Tensor:
        return late("ops").min(self, axis=axis, keepdims=keepdims, **unknown)

    def prod(self, axis: Axis = None, keepdims: bool = False, **unknown: Never) -> Tensor:
        return late("ops").prod(self, axis=axis, keepdims=keepdims, **unknown)

    def var(
        self, axis: Axis = None, keepdims: bool = False, correction: int = 1, **unknown: Never
    ) -> Tensor:
        return late("ops").var(self, axis=axis, keepdims=keepdims, correction=correction, **unknown)

    def std(
        self, axis: Axis = None, keepdims: bool = False, correction: int = 1, **unknown: Never
    ) -> Tensor:
        return late("ops").std(self, axis=axis, keepdims=keepdims, correction=correction, **unknown)

    def argmax(self, axis: int | None = None, keepdims: bool = False, **unknown: Never) -> Tensor:
        return late("ops").argmax(self, axis=axis, keepdims=keepdims, **unknown)

    def argmin(self, axis: int | None = None, keepdims: bool = False, **unknown: Never) -> Tensor:
        return late("ops").argmin(self, axis=axis, keepdims=keepdims, **unknown)

    def any(self, axis: Axis = None, keepdims: bool = False, **unknown: Never) -> Tensor:
        return late("ops").any(self, axis=axis, keepdims=keepdims, **unknown)

    def all(self, axis: Axis = None, keepdims: bool = False, **unknown: Never) -> Tensor:
        return late("ops").all(self, axis=axis, keepdims=keepdims, **unknown)

    def cumsum(self, axis: int) -> Tensor:
        return late("ops").cumsum(self, axis=axis)

    def squeeze(self, axis: Axis = None) -> Tensor:
        return late("ops").squeeze(self, axis=axis)

    def expand_dims(self, axis: int) -> Tensor:
        return late("ops").expand_dims(self, axis=axis)

    def flatten(self, start_axis: int = 0, end_axis: int = -1) -> Tensor:
        return late("ops").flatten(self, start_axis, end_axis)

    def permute(self, *axes: Any) -> Tensor:
        """`x.permute(0, 2, 1)` or `x.permute((0, 2, 1))`."""
        return late("ops").permute(self, axes=flat(axes))

    def broadcast_to(self, *shape: Any) -> Tensor:
        """`x.broadcast_to(4, 3)` or `x.broadcast_to((4, 3))`."""
        return late("ops").broadcast_to(self, shape=flat(shape))


def _in_place(x: Any, result: Tensor) -> Tensor:
    """Give `x += y` its meaning: x = x + y, except for a parameter, which is changed itself.

    `with no_grad(): w -= 0.1 * w.grad` moves the parameter w. Where gradients are recorded that
    would be lost to backward(), and is refused, as in PyTorch.
    """
    if not x.requires_grad or x.node is not None:
        return result
    if current().grad:
        raise GradientError(
            "this tensor requires a gradient, and += (or -=, *=, /=) would change it behind "
            "backward()'s back: write y = x + ..., or do it inside no_grad()"
        )
    x.data[...] = result.data
    x.data = x.data  # tells the tensor that it was changed in place
    changed: Tensor = x
    return changed


# what an array's operators call, and the tensor's method that answers
_REFLECTED = {
    np.add: "__radd__",
    np.subtract: "__rsub__",
    np.multiply: "__rmul__",
    np.divide: "__rtruediv__",
    np.power: "__rpow__",
    np.matmul: "__rmatmul__",
    np.equal: "__eq__",
    np.not_equal: "__ne__",
    np.less: "__gt__",
    np.less_equal: "__ge__",
    np.greater: "__lt__",
    np.greater_equal: "__le__",
}
