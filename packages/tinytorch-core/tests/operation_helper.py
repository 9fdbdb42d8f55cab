"""How an operation is described for its tests: its operands, and two other ways to compute it.

A `Case` is one call of one operation, with an expression in NumPy and one in PyTorch that must give
the same. The tables are in `cases/`; what is asked of every case is in `test_operations.py`.
Nothing here imports torch: the expressions receive it as their first argument.
"""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinytorch.core.primitive import primitives, wrap
from tinytorch.core.tensor import Tensor

Array = np.ndarray[Any, np.dtype[Any]]
Make = Callable[[np.random.Generator], Array]
Layout = Callable[[Array], Array]


# Operands: each of these returns a function that draws an array. Floating point is drawn with three
# digits, so that it can be written down exactly.
def normal(*shape: int) -> Make:
    """Normally distributed numbers."""
    return lambda rng: np.asarray(rng.standard_normal(shape)).round(3).astype(np.float32)


def between(low: float, high: float, *shape: int) -> Make:
    """Evenly distributed numbers."""
    return lambda rng: np.asarray(rng.uniform(low, high, shape)).round(3).astype(np.float32)


def away(*shape: int) -> Make:
    """Numbers of either sign that are not near 0."""

    def make(rng: np.random.Generator) -> Array:
        signs = rng.choice([-1, 1], shape)
        return np.asarray(rng.uniform(0.3, 2, shape) * signs).round(3).astype(np.float32)

    return make


def distinct(*shape: int) -> Make:
    """Numbers of which no two are near each other, in random order."""
    size = int(np.prod(shape))
    return lambda rng: (rng.permutation(size).reshape(shape) / 4 - 1).astype(np.float32)


def integers(low: int, high: int, *shape: int) -> Make:
    """Integers from low to high - 1."""
    return lambda rng: np.asarray(rng.integers(low, high, shape))


def booleans(*shape: int) -> Make:
    """True and false."""
    return lambda rng: np.asarray(rng.random(shape) < 0.5)


def values(data: Any, dtype: Any = np.float32) -> Make:
    """Exactly these."""
    return lambda rng: np.array(data, dtype)


def wide(make: Make) -> Make:
    """The same in float64."""
    return lambda rng: make(rng).astype(np.float64)


def turned(make: Make) -> Make:
    """The same values in another memory layout: first and last axis change places."""
    return lambda rng: np.swapaxes(np.swapaxes(make(rng), 0, -1).copy(), 0, -1)


def spaced(make: Make) -> Make:
    """The same values in memory that has a gap after each element."""
    return lambda rng: np.repeat(make(rng)[..., np.newaxis], 2, axis=-1)[..., 0]


def stretched(make: Make) -> Make:
    """All of the first axis the same, and in memory only once, as `broadcast_to` leaves it."""

    def stretch(rng: np.random.Generator) -> Array:
        x = make(rng)
        return np.broadcast_to(x[:1], x.shape)

    return stretch


# Cases
@dataclass(frozen=True)
class Row:
    """One line of a table: operands (made, or plain values), parameters, and what is special.

    kink   the function has a corner here: finite differences say nothing, PyTorch decides
    noisy  NumPy warns here, and may
    large  too large for a finite difference per element: there for the fast kernels
    """

    operands: tuple[Any, ...]
    params: dict[str, Any] = field(default_factory=dict)
    kink: bool = False
    noisy: bool = False
    large: bool = False
    torch: Callable[..., Any] | None = None


def row(
    *operands: Any,
    kink: bool = False,
    noisy: bool = False,
    large: bool = False,
    torch: Callable[..., Any] | None = None,
    **params: Any,
) -> Row:
    """Write down one line of a table."""
    return Row(operands, params, kink, noisy, large, torch)


@dataclass(frozen=True)
class Case:
    """One call of the operation `name`, and what else computes it.

    numpy(*arrays, **params) and torch(torch, *tensors, **params) are the other ways; `call` is how
    the operation is called, by default as the primitive called `name`.
    """

    name: str
    row: Row
    numpy: Callable[..., Any]
    torch: Callable[..., Any]
    call: Callable[..., Any]
    id: str

    def arrays(self, dtype: Any = None) -> list[Any]:
        """Draw the operands, the same each time; floating point as `dtype` if that is given."""
        rng = np.random.default_rng(zlib.crc32(self.id.encode()))
        made = [np.asarray(x(rng)) if callable(x) else x for x in self.row.operands]
        return [np.array(x, dtype, order="K") if dtype and is_float(x) else x for x in made]

    def expected(self, arrays: list[Any]) -> tuple[Array, ...]:
        """Compute the result with NumPy."""
        with self.quiet():
            return as_tuple(self.numpy(*arrays, **self.row.params))

    def outputs(self, operands: list[Any]) -> tuple[Tensor, ...]:
        """Compute the result with TinyTorch."""
        with self.quiet():
            return as_tuple(self.call(*operands, **self.row.params))

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """Let NumPy warn, in rows that say that it may."""
        if not self.row.noisy:
            yield
            return
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # np.var says it in its own way
            yield

    def __str__(self) -> str:
        return self.id


def operation(
    name: str,
    *rows: Row,
    numpy: Callable[..., Any],
    torch: Callable[..., Any],
    call: Callable[..., Any] | None = None,
) -> list[Case]:
    """Return a case for each row of the operation `name`."""

    def primitive(*operands: Any, **params: Any) -> Any:
        return primitives()[name](*operands, **params)

    return [
        Case(name, r, numpy, r.torch or torch, call or primitive, f"{name}-{number}")
        for number, r in enumerate(rows)
    ]


def primitives_of(tier: str) -> set[str]:
    """The names of the primitives that a tier defines: "tinytorch.core"."""
    known = primitives().items()
    return {name for name, p in known if p.definition.__module__.startswith(f"{tier}.")}


def is_float(x: Any) -> bool:
    """Whether x is an array of floating point, and so gets a gradient."""
    return isinstance(x, np.ndarray) and x.dtype.kind == "f"


def as_tuple(x: Any) -> tuple[Any, ...]:
    """One output, or several, as a tuple."""
    return tuple(x) if isinstance(x, tuple | list) else (x,)


# What tests ask of a case
def rounding(case: Case, wanted: Any) -> tuple[float, float]:
    """How far float32 may be from `wanted`, relative and absolute.

    Where many numbers are summed up, that depends on the largest result: near 0 they cancel.
    """
    if case.row.large:
        return 2e-5, 5e-5 * float(np.abs(wanted).max(initial=1))
    return 2e-5, 2e-6


def as_tensors(arrays: list[Any]) -> list[Any]:
    """Return arrays as tensors, in the same memory; floating point requires a gradient."""
    tensors = []
    for x in arrays:
        tensor = wrap(x, None) if isinstance(x, np.ndarray) else x
        if is_float(x):
            tensor.requires_grad = True
        tensors.append(tensor)
    return tensors


def weights_for(outputs: tuple[Any, ...]) -> list[Array]:
    """Return a gradient for each output: random numbers, the same each time."""
    rng = np.random.default_rng(1)
    return [np.asarray(rng.standard_normal(out.shape)).astype(out.dtype) for out in outputs]


def pass_back(outputs: tuple[Tensor, ...], weights: list[Array]) -> None:
    """Run `backward` from all outputs together."""
    if len(outputs) == 1:
        outputs[0].backward(weights[0])
        return
    pairs = [(out, w) for out, w in zip(outputs, weights, strict=True) if out.requires_grad]
    total = (pairs[0][0] * pairs[0][1]).sum()
    for out, w in pairs[1:]:
        total = total + (out * w).sum()
    total.backward()


def gradients(case: Case, arrays: list[Any], layout: Layout = np.asarray) -> list[Any]:
    """Return what `backward` leaves in each operand: an array, or None.

    layout  brings the output's gradients into another memory layout
    """
    operands = as_tensors(arrays)
    outputs = case.outputs(operands)
    with case.quiet():
        pass_back(outputs, [layout(w) for w in weights_for(outputs)])
    return [x.grad if isinstance(x, Tensor) else None for x in operands]


def is_differentiable(case: Case) -> bool:
    """Whether some output of the case passes a gradient on; yes where there is no output at all."""
    try:
        return any(out.requires_grad for out in case.outputs(as_tensors(case.arrays())))
    except Exception:  # it fails in a test of its own, not while tests are collected
        return True


def slope_along(case: Case, arrays: list[Any], position: int, direction: Array) -> float:
    """Differentiate the NumPy expression numerically, moving one operand in one direction.

    It knows nothing of TinyTorch: neither its forward nor `gradcheck` is used. The outputs are
    weighted as in `gradients`.
    """
    step = 1e-6
    weights = weights_for(case.outputs(as_tensors(arrays)))

    def weighted(sign: int) -> float:
        moved = list(arrays)
        moved[position] = arrays[position] + sign * step * direction
        outputs = case.expected(moved)
        return float(sum((out * w).sum() for out, w in zip(outputs, weights, strict=True)))

    return (weighted(1) - weighted(-1)) / (2 * step)
