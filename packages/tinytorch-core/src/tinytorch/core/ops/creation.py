"""New tensors: from data, of one value, in steps, or drawn at random.

Floating point is float32 unless `dtype` says otherwise; whole numbers are int64. Sizes come as
`zeros(2, 3)` or `zeros((2, 3))`. What draws takes `rng`, a NumPy generator, and else uses the
default one, which `tinytorch.manual_seed` restarts. Left out: initial values of parameters
(module 03).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from tinytorch.core.methods import flat
from tinytorch.core.primitive import Array, wrap
from tinytorch.core.random import default_generator
from tinytorch.core.tensor import Tensor

Generator = np.random.Generator


# From data
def tensor(data: Any, dtype: DTypeLike | None = None, requires_grad: bool = False) -> Tensor:
    """Make a tensor from numbers, (nested) lists, an array or a tensor; the data are copied."""
    return Tensor(data, dtype, requires_grad)


def from_numpy(array: Array) -> Tensor:
    """Make a tensor that shares the array's memory: changing one changes the other.

    The array's type stays, float64 too. Raises TypeError for what is no array of numbers.
    """
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiub":
        held = f" of {array.dtype}" if isinstance(array, np.ndarray) else ""
        raise TypeError(
            f"from_numpy: expected an array of numbers, got {type(array).__name__}{held}; "
            "Tensor(...) copies lists and numbers"
        )
    shared: Tensor = wrap(array, None)
    return shared


# Of one value
def zeros(*shape: Any, dtype: DTypeLike | None = None, requires_grad: bool = False) -> Tensor:
    """Zeros of a shape, float32 by default."""
    return _own(np.zeros(flat(shape), dtype or np.float32), requires_grad)


def ones(*shape: Any, dtype: DTypeLike | None = None, requires_grad: bool = False) -> Tensor:
    """Ones of a shape, float32 by default."""
    return _own(np.ones(flat(shape), dtype or np.float32), requires_grad)


def full(
    shape: int | tuple[int, ...],
    value: float,
    dtype: DTypeLike | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """One value everywhere; its type is that of `Tensor(value)`: int64 for 3, float32 for 3.0."""
    return _own(np.full(shape, value, dtype or Tensor(value).dtype), requires_grad)


def eye(
    n: int, m: int | None = None, dtype: DTypeLike | None = None, requires_grad: bool = False
) -> Tensor:
    """A matrix (n, m), m = n by default, with ones on its diagonal and zeros elsewhere."""
    return _own(np.eye(n, m, dtype=dtype or np.float32), requires_grad)


def zeros_like(x: Any, dtype: DTypeLike | None = None, requires_grad: bool = False) -> Tensor:
    """Zeros of x's shape, and of its type by default."""
    return full_like(x, 0, dtype, requires_grad)


def ones_like(x: Any, dtype: DTypeLike | None = None, requires_grad: bool = False) -> Tensor:
    """Ones of x's shape, and of its type by default."""
    return full_like(x, 1, dtype, requires_grad)


def full_like(
    x: Any, value: float, dtype: DTypeLike | None = None, requires_grad: bool = False
) -> Tensor:
    """One value everywhere, in x's shape, and in its type by default."""
    x = x if isinstance(x, Tensor) else Tensor(x)
    return _own(np.full(x.shape, value, dtype or x.dtype), requires_grad)


# In steps
def arange(
    start: float,
    stop: float | None = None,
    step: float = 1,
    dtype: DTypeLike | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """start, start + step, ... below `stop`; arange(n) counts from 0. int64, or float32.

    >>> from tinytorch.core.ops import arange
    >>> arange(4), arange(0, 1, 0.25)
    (Tensor([0, 1, 2, 3]), Tensor([0.  , 0.25, 0.5 , 0.75]))
    """
    if stop is None:
        start, stop = 0, start
    return Tensor(np.arange(start, stop, step), dtype, requires_grad)


def linspace(
    start: float,
    stop: float,
    num: int,
    dtype: DTypeLike | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """`num` evenly spaced numbers from `start` to `stop`, both included."""
    return _own(np.linspace(start, stop, num).astype(dtype or np.float32), requires_grad)


# Drawn
def rand(
    *shape: Any,
    rng: Generator | None = None,
    dtype: DTypeLike | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Numbers drawn evenly from [0, 1)."""
    return _own(_draw("random", flat(shape), rng, dtype), requires_grad)


def randn(
    *shape: Any,
    rng: Generator | None = None,
    dtype: DTypeLike | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Numbers drawn from the normal distribution with mean 0 and variance 1."""
    return _own(_draw("standard_normal", flat(shape), rng, dtype), requires_grad)


def randint(
    low: int,
    high: int,
    shape: int | tuple[int, ...] = (),
    rng: Generator | None = None,
    dtype: DTypeLike | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """Whole numbers drawn evenly from low, ..., high - 1; int64 by default."""
    drawn = np.asarray((rng or default_generator()).integers(low, high, shape))
    return _own(drawn.astype(dtype or np.int64), requires_grad)


def _draw(
    method: str, shape: tuple[int, ...], rng: Generator | None, dtype: DTypeLike | None
) -> Array:
    """Draw in the wanted type where the generator can (float32, float64), else in float32."""
    wanted = np.dtype(dtype or np.float32)
    draw = getattr(rng or default_generator(), method)
    return np.asarray(draw(shape, wanted if wanted == np.float64 else np.float32), wanted)


def _own(array: Array, requires_grad: bool) -> Tensor:
    """Make a tensor of an array that nobody else holds, without copying it."""
    made: Tensor = wrap(array, None)
    made.requires_grad = requires_grad
    return made
