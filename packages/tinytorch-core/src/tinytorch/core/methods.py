"""The tensor's further methods: one line each, naming the operation in `ops/` that does the work.

`Tensor` inherits them, so that lesson 01's file holds only what that lesson teaches. Given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from numpy.typing import DTypeLike

from tinytorch.core.context import current
from tinytorch.core.errors import GradientError
from tinytorch.core.late import late

if TYPE_CHECKING:
    from tinytorch.core.tensor import Tensor

Axis = int | tuple[int, ...] | None


def flat(sizes: tuple[Any, ...]) -> tuple[int, ...]:
    """Accept f(2, 3) and f((2, 3)) alike."""
    return tuple(sizes[0]) if len(sizes) == 1 and isinstance(sizes[0], tuple | list) else sizes


# what users of PyTorch type, and what it is called here
ELSEWHERE = {
    "add_": "x = x + y, or x.data += y inside no_grad()",
    "argsort": "tinytorch.argsort(x, axis=...)",
    "copy_": "x.data[...] = array",
    "cpu": "nothing: every tensor is on the CPU",
    "cuda": "nothing: every tensor is on the CPU",
    "dim": "x.ndim",
    "expand": "x.broadcast_to(...)",
    "fill_": "x.data[...] = value",
    "float": "x.astype(np.float32)",
    "gather": "tinytorch.take_along_axis(x, indices, axis=...)",
    "gelu": "tinytorch.gelu(x)",
    "grad_fn": "x.node",
    "half": "x.astype(np.float16)",
    "log_softmax": "tinytorch.log_softmax(x, axis=...)",
    "long": "x.astype(np.int64)",
    "masked_fill": "tinytorch.masked_fill(x, mask, value=...)",
    "mul_": "x = x * y, or x.data *= y inside no_grad()",
    "norm": "tinytorch.norm(x, axis=...)",
    "numel": "x.size",
    "relu": "tinytorch.relu(x)",
    "requires_grad_": "x.requires_grad = True",
    "sigmoid": "tinytorch.sigmoid(x)",
    "softmax": "tinytorch.softmax(x, axis=...)",
    "sort": "tinytorch.sort(x, axis=...)",
    "t": "x.T",
    "tanh": "tinytorch.tanh(x)",
    "to": "x.astype(dtype)",
    "topk": "tinytorch.topk(x, k, axis=...)",
    "type": "x.astype(dtype)",
    "unsqueeze": "x.expand_dims(axis)",
    "view": "x.reshape(...)",
    "zero_": "x.data[...] = 0",
}


class Elsewhere:
    """A name that a user of PyTorch may look for: an AttributeError that says what it is here.

    A `__getattr__` would do the same for all names, and make each attribute of a tensor slower.
    """

    def __init__(self, instead: str) -> None:
        self.instead = instead

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, instance: object, owner: type | None = None) -> NoReturn:
        raise AttributeError(
            f"'Tensor' object has no attribute {self.name!r}; here that is {self.instead}"
        )


class Methods:
    """What a tensor can do besides the primitives of module 01."""

    __slots__ = ()

    def __format__(self: Any, spec: str) -> str:
        """`f"{loss:.3f}"` formats a single element; without a format any tensor shows itself."""
        return format(self.item(), spec) if spec else str(self)

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


for _name, _instead in ELSEWHERE.items():
    _elsewhere = Elsewhere(_instead)
    _elsewhere.__set_name__(Methods, _name)
    setattr(Methods, _name, _elsewhere)
