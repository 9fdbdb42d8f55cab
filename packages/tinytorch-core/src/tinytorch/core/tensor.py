"""Module 01: the tensor, and the primitives that everything later is made of.

A tensor is a NumPy array that remembers how it came about. This file holds the class, whose
methods only name primitives; what the tensor holds; and fifteen primitives: arithmetic, `matmul`,
three reductions, and three that hand on the same elements without computing. Left out: their
gradients (module 06), and the many further operations a user expects, which live in `ops/`.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

# broadcast_error, for matmul, calls broadcast_shapes: which must raise a ShapeError of its own
from tinytorch.core.errors import GradientError, Shape, ShapeError, broadcast_error, rows_error
from tinytorch.core.late import late
from tinytorch.core.methods import Axis, Methods, flat
from tinytorch.core.primitive import Array, Record, primitive, tensor_class, wrap


@tensor_class
class Tensor(Methods):
    """An n-dimensional array that can carry a gradient.

    data           numbers, (nested) lists of numbers, an array, or a tensor; copied
    dtype          the elements' type; without it float64 becomes float32, all else keeps its type
    requires_grad  whether `backward` shall leave a gradient here (floating point only)

    Attributes: `data`, the array; `grad`, the gradient as an array like it, or None;
    `requires_grad`; `node`, the `Record` of the call that made this tensor, or None for a leaf.
    """

    __slots__ = ("__weakref__", "_data", "_requires_grad", "_version", "grad", "node", "place")

    grad: Array | None
    node: Record | None
    place: int | None  # which output of `node`, where it has several
    _data: Array
    _requires_grad: bool
    _version: int  # counts changes in place, so that `backward` can refuse stale operands

    def __init__(
        self, data: Any, dtype: DTypeLike | None = None, requires_grad: bool = False
    ) -> None:
        try:
            self._data = array_of(data, dtype)
        except ValueError as error:
            raise rows_error(data, error) from None
        self._version = 0
        self.grad = None
        self.node = None
        self.place = None
        self.requires_grad = requires_grad

    # What it is
    @property
    def data(self) -> Array:
        """The array. `x.data += 1` is seen by `backward`; `x.data[0] = 1` is not."""
        return self._data

    @data.setter
    def data(self, array: Any) -> None:
        if array is self._data:  # x.data += 1 hands the same array back, changed
            self._version += 1
            if self.node is not None:
                self.node.output_changed()
        else:
            keep_float32 = self._data.dtype == np.float32
            array = np.asarray(array, order="C")
            wide = array.dtype == np.float64
            self._data = array.astype(np.float32) if wide and keep_float32 else array

    @property
    def requires_grad(self) -> bool:
        """Whether `backward` shall leave a gradient here, or pass one on from here."""
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, wanted: bool) -> None:
        if wanted and self._data.dtype.kind != "f":
            raise GradientError(
                f"a tensor of {self._data.dtype} can have no gradient, only floating point can: "
                "make it with dtype=np.float32, or use .astype(np.float32)"
            )
        self._requires_grad = bool(wanted)

    @property
    def shape(self) -> tuple[int, ...]:
        """The size along each axis."""
        return self._data.shape

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self._data.ndim

    @property
    def size(self) -> int:
        """The number of elements."""
        return self._data.size

    @property
    def dtype(self) -> np.dtype[Any]:
        """The elements' type."""
        return self._data.dtype

    @property
    def nbytes(self) -> int:
        """The bytes that the elements take."""
        return self._data.nbytes

    @property
    def strides(self) -> tuple[int, ...]:
        """The bytes from one element to the next along each axis."""
        return self._data.strides

    def is_contiguous(self) -> bool:
        """Whether the elements lie row by row, without gaps. Axes of size 1 have no say."""
        by_rows = contiguous_strides(self.shape, self.dtype.itemsize)
        steps = zip(self.shape, self.strides, by_rows, strict=True)
        return not self.size or all(n == 1 or step == row for n, step, row in steps)

    def __repr__(self) -> str:
        text = np.array2string(self._data, separator=", ", prefix="Tensor(", threshold=200)
        usual = self._data.dtype in (np.float32, np.int64, np.bool_) and self._data.size
        kind = "" if usual else f", dtype={self._data.dtype}"
        return f"Tensor({text}{kind}{', requires_grad=True' if self._requires_grad else ''})"

    def __len__(self) -> int:
        if not self.ndim:
            raise TypeError("a tensor without axes (shape ()) has no length")
        return len(self._data)

    def __iter__(self) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self)))

    def __bool__(self) -> bool:
        if self.size != 1:
            raise ValueError(
                f"a tensor of shape {self.shape} is neither true nor false: use .any() or .all()"
            )
        return bool(self._data.item())

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        if self.size != 1 or self._data.dtype.kind not in "iu":
            raise TypeError(f"only a single integer is an index, not {self!r}")
        return int(self._data.item())

    # Out of the tensor world
    def item(self) -> Any:
        """The only element, as a Python number."""
        if self.size != 1:
            raise ValueError(f"item() wants a single element; the shape is {self.shape}")
        return self._data.item()

    def tolist(self) -> Any:
        """The elements as nested lists of Python numbers."""
        return self._data.tolist()

    def numpy(self) -> Array:
        """The array itself, not a copy. Raises GradientError where a gradient would be lost."""
        if self._requires_grad:
            raise GradientError("this tensor requires a gradient: use x.detach().numpy() or x.data")
        return self._data

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> Array:
        return np.array(self.numpy(), dtype=dtype, copy=copy)

    def detach(self) -> Tensor:
        """The same data, in a tensor that the graph does not know."""
        tensor: Tensor = wrap(self._data, None)
        return tensor

    # Gradients (module 06)
    def backward(
        self, gradient: Any = None, *, retain_graph: bool = False, create_graph: bool = False
    ) -> None:
        """Leave the gradient of this tensor in `.grad` of every leaf that requires one.

        gradient      of some loss with respect to this tensor; 1 where the tensor is a scalar
        retain_graph  keep the records, so that a second pass may follow
        create_graph  PyTorch's gradients of gradients: not supported, and refused if True

        Raises GradientError; see `tinytorch.core.autograd.backward`.
        """
        if create_graph:
            raise GradientError(
                "create_graph: gradients of gradients are not supported, because gradient rules "
                "compute on arrays and leave no records"
            )
        late("autograd").backward(self, gradient, retain_graph=retain_graph)

    # Arithmetic
    def __add__(self, other: Any) -> Tensor:
        return add(self, other)

    def __radd__(self, other: Any) -> Tensor:
        return add(other, self)

    def __sub__(self, other: Any) -> Tensor:
        return sub(self, other)

    def __rsub__(self, other: Any) -> Tensor:
        return sub(other, self)

    def __mul__(self, other: Any) -> Tensor:
        return mul(self, other)

    def __rmul__(self, other: Any) -> Tensor:
        return mul(other, self)

    def __truediv__(self, other: Any) -> Tensor:
        return div(self, other)

    def __rtruediv__(self, other: Any) -> Tensor:
        return div(other, self)

    def __pow__(self, other: Any) -> Tensor:
        return pow(self, other)

    def __rpow__(self, other: Any) -> Tensor:
        return pow(other, self)

    def __neg__(self) -> Tensor:
        return neg(self)

    def __matmul__(self, other: Any) -> Tensor:
        return matmul(self, other)

    def __rmatmul__(self, other: Any) -> Tensor:
        return matmul(other, self)

    def exp(self) -> Tensor:
        return exp(self)

    def log(self) -> Tensor:
        return log(self)

    # Reductions
    def sum(self, axis: Axis = None, keepdims: bool = False, **unknown: Any) -> Tensor:
        return sum(self, axis=axis, keepdims=keepdims, **unknown)

    def mean(self, axis: Axis = None, keepdims: bool = False, **unknown: Any) -> Tensor:
        return mean(self, axis=axis, keepdims=keepdims, **unknown)

    def max(self, axis: Axis = None, keepdims: bool = False, **unknown: Any) -> Tensor:
        return max(self, axis=axis, keepdims=keepdims, **unknown)

    # The same elements, elsewhere
    def reshape(self, *shape: Any) -> Tensor:
        """`x.reshape(2, 3)` or `x.reshape((2, 3))`; one size may be -1."""
        return reshape(self, shape=flat(shape))

    def transpose(self, axis0: int, axis1: int) -> Tensor:
        return transpose(self, axis0=axis0, axis1=axis1)

    @property
    def mT(self) -> Tensor:  # noqa: N802
        """The last two axes swapped."""
        return transpose(self)

    @property
    def T(self) -> Tensor:  # noqa: N802
        """The transposed matrix (two axes only; `mT` swaps the last two of any tensor)."""
        if self.ndim != 2:
            raise ShapeError(f"T is for matrices; for shape {self.shape} use mT or permute(...)")
        return transpose(self)

    def __getitem__(self, index: Any) -> Tensor:
        return getitem(self, index=_arrays(index))

    def __setitem__(self, index: Any, value: Any) -> None:
        if self._requires_grad:
            raise GradientError(
                "x[...] = ... on a tensor that requires a gradient would be lost to backward(): "
                "use where(...), or change x.data inside no_grad()"
            )
        self._data[_arrays(index)] = value.numpy() if isinstance(value, Tensor) else value
        self._version += 1


# What it holds
def array_of(data: Any, dtype: DTypeLike | None = None) -> Array:
    """Return the array of a tensor made from `data`: a copy, row by row, of numbers.

    data   a number, (nested) lists of numbers, an array, or a tensor
    dtype  the elements' type; without it float64 becomes float32, all else keeps its type

    Raises TypeError for what is no floating-point number, integer or boolean.
    """
    given = np.asarray(data)  # before a dtype makes 1.0 of the text "1"
    for found in (given.dtype, np.dtype(dtype)):  # np.dtype(None) is float64, a number
        if found.kind not in "fiub":
            raise TypeError(
                f"a tensor holds numbers, not {found}: {data!r:.60}. Is there text or None in it?"
            )
    if dtype is None:
        return np.array(given, np.float32 if given.dtype == np.float64 else None, order="C")
    return np.array(data, dtype, order="C")


def _arrays(index: Any) -> Any:
    """Return an index with arrays in place of its tensors."""
    if isinstance(index, tuple):
        return tuple(_arrays(i) for i in index)
    return index._data if isinstance(index, Tensor) else index


# Arithmetic, broadcasting
@primitive
def add(x: Array, y: Array) -> Array:
    """x + y, element by element."""
    return x + y


@primitive
def sub(x: Array, y: Array) -> Array:
    """x - y, element by element."""
    return x - y


@primitive
def mul(x: Array, y: Array) -> Array:
    """x * y, element by element."""
    return x * y


@primitive
def div(x: Array, y: Array) -> Array:
    """x / y, element by element; integers give floating point."""
    return x / y


@primitive
def pow(x: Array, y: Array) -> Array:
    """x to the power of y, element by element."""
    return x**y


@primitive
def neg(x: Array) -> Array:
    """-x."""
    return -x


@primitive
def exp(x: Array) -> Array:
    """e to the power of x, element by element."""
    return np.exp(x)


@primitive
def log(x: Array) -> Array:
    """The natural logarithm of x, element by element."""
    return np.log(x)


def broadcast_shapes(*shapes: Shape) -> Shape:
    """Return the shape that arrays of these shapes have together, once they are broadcast.

    Axes pair up from the right. Sizes that are equal stay, 1 (or no axis at all) takes the size of
    the others. Raises ShapeError, naming the axis from the right and its sizes, for any other pair.

    >>> broadcast_shapes((4, 3), (3,))
    (4, 3)
    """
    result: list[int] = []
    from_the_right = [reversed(shape) for shape in shapes]
    for axis, sizes in enumerate(zip_longest(*from_the_right, fillvalue=1), start=1):
        others = sorted({size for size in sizes if size != 1})
        if len(others) > 1:
            listed = " and ".join(str(shape) for shape in shapes)
            different = " and ".join(str(size) for size in others)
            raise ShapeError(
                f"shapes {listed} do not broadcast: axis -{axis} has sizes {different}, "
                "and only equal sizes, or 1, go together. "
                "Reshape or transpose one operand, or give it an axis of size 1."
            )
        result.insert(0, others[0] if others else 1)
    return tuple(result)


# The matrix product
@primitive
def matmul(x: Array, y: Array) -> Array:
    """The matrix product over the last two axes; the axes before them broadcast.

    x (..., n, k), y (..., k, m) -> (..., n, m). A vector counts as a row on the left and as a
    column on the right. Raises ShapeError where the inner sizes differ, or the axes before them do
    not broadcast.
    """
    if not (np.ndim(x) and np.ndim(y)):
        raise ShapeError(f"matmul: {np.shape(x)} @ {np.shape(y)}: a number needs * instead")
    inner = y.shape[-2] if y.ndim > 1 else y.shape[0]
    if x.shape[-1] != inner:
        raise ShapeError(
            f"matmul: {x.shape} @ {y.shape}: inner sizes {x.shape[-1]} and {inner} differ; "
            "transpose one?"
        )
    try:
        return np.matmul(x, y)
    except ValueError:  # the inner sizes agree, so it can only be the axes before them
        name = f"matmul: {x.shape} @ {y.shape}: before the last two axes"
        raise broadcast_error(name, [x.shape[:-2], y.shape[:-2]]) from None


# Reductions
@primitive
def sum(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """The sum over one axis, several, or all of them."""
    return np.sum(x, axis=axis, keepdims=keepdims)


@primitive
def mean(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """The mean over one axis, several, or all of them; integers give floating point."""
    return np.mean(x, axis=axis, keepdims=keepdims)


@primitive
def max(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """The largest element over one axis, several, or all of them; nan where there is one.

    Raises ValueError where there is no element. Where several are the largest, they share the
    gradient (module 06).
    """
    return np.max(x, axis=axis, keepdims=keepdims)


# The same elements, elsewhere
def contiguous_strides(shape: Shape, itemsize: int) -> tuple[int, ...]:
    """Return the bytes from one element to the next along each axis, where rows follow one another.

    shape (2, 3) of 4 bytes each -> (12, 4): the next row is 3 elements on, the next column 1.
    """
    strides: list[int] = []
    step = itemsize
    for size in reversed(shape):
        strides.insert(0, step)
        step *= size
    return tuple(strides)


@primitive
def reshape(x: Array, *, shape: tuple[int, ...]) -> Array:
    """The elements, in the same order, in another shape; one size may be -1."""
    try:
        return np.reshape(x, shape)
    except ValueError:
        raise ShapeError(
            f"reshape: {x.size} elements of shape {x.shape} do not fit shape {shape}"
        ) from None


@primitive
def transpose(x: Array, *, axis0: int = -2, axis1: int = -1) -> Array:
    """Two axes swapped. A view: no element moves in memory."""
    return np.swapaxes(x, axis0, axis1)


@primitive
def getitem(x: Array, *, index: Any) -> Array:
    """x[index], for every index that NumPy knows: slices, integers, arrays, masks."""
    return x[index]
