"""The tensor's further methods: one line each, naming the operation in `ops/` that does the work.

`Tensor` inherits them, so that lesson 01's file holds only what that lesson teaches. Given.
"""

from __future__ import annotations

import functools
import importlib
from typing import TYPE_CHECKING, Any

from numpy.typing import DTypeLike

if TYPE_CHECKING:
    from tinytorch.core.tensor import Tensor

Axis = int | tuple[int, ...] | None


def flat(sizes: tuple[Any, ...]) -> tuple[int, ...]:
    """Accept f(2, 3) and f((2, 3)) alike."""
    return tuple(sizes[0]) if len(sizes) == 1 and isinstance(sizes[0], tuple | list) else sizes


@functools.cache
def late(module: str) -> Any:
    """Import a module of core when it is first needed: it, too, needs the tensor."""
    return importlib.import_module(f"tinytorch.core.{module}")


class Methods:
    """What a tensor can do besides the primitives of module 01."""

    __slots__ = ()

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

    def min(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        return late("ops").min(self, axis=axis, keepdims=keepdims)

    def prod(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        return late("ops").prod(self, axis=axis, keepdims=keepdims)

    def var(self, axis: Axis = None, keepdims: bool = False, correction: int = 1) -> Tensor:
        return late("ops").var(self, axis=axis, keepdims=keepdims, correction=correction)

    def std(self, axis: Axis = None, keepdims: bool = False, correction: int = 1) -> Tensor:
        return late("ops").std(self, axis=axis, keepdims=keepdims, correction=correction)

    def argmax(self, axis: int | None = None, keepdims: bool = False) -> Tensor:
        return late("ops").argmax(self, axis=axis, keepdims=keepdims)

    def argmin(self, axis: int | None = None, keepdims: bool = False) -> Tensor:
        return late("ops").argmin(self, axis=axis, keepdims=keepdims)

    def any(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        return late("ops").any(self, axis=axis, keepdims=keepdims)

    def all(self, axis: Axis = None, keepdims: bool = False) -> Tensor:
        return late("ops").all(self, axis=axis, keepdims=keepdims)

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
