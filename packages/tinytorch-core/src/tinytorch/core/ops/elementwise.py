"""Element by element: what a user expects besides the arithmetic of module 01.

Each function stands beside its gradient rule. Where a function has a corner or a step, its gradient
there is PyTorch's, and the docstring says which. Left out: comparisons (`comparison.py`), `where`
and masks (`selection.py`), activations (module 02).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinytorch.core.primitive import Array, Record, gradient, primitive


@primitive
def abs(x: Array) -> Array:
    """The distance from 0, element by element. Its gradient at 0 is 0."""
    return np.abs(x)


@gradient("abs")
def abs_gradient(g: Array, call: Record) -> Any:
    return g * np.sign(call.arrays[0])


@primitive
def sqrt(x: Array) -> Array:
    """The square root, element by element; nan below 0. Its gradient at 0 is infinite."""
    return np.sqrt(x)


@gradient("sqrt")
def sqrt_gradient(g: Array, call: Record) -> Any:
    return 0.5 * g / call.out


@primitive
def sin(x: Array) -> Array:
    """The sine of x in radians, element by element."""
    return np.sin(x)


@gradient("sin")
def sin_gradient(g: Array, call: Record) -> Any:
    return g * np.cos(call.arrays[0])


@primitive
def cos(x: Array) -> Array:
    """The cosine of x in radians, element by element."""
    return np.cos(x)


@gradient("cos")
def cos_gradient(g: Array, call: Record) -> Any:
    return -g * np.sin(call.arrays[0])


@primitive
def log1p(x: Array) -> Array:
    """log(1 + x), exact for x so small that 1 + x would be rounded to 1."""
    return np.log1p(x)


@gradient("log1p")
def log1p_gradient(g: Array, call: Record) -> Any:
    return g / (1 + call.arrays[0])


# Steps: flat nearly everywhere, so their gradient is 0
@primitive
def sign(x: Array) -> Array:
    """-1, 0 or 1, element by element. Its gradient is 0 everywhere, as in PyTorch."""
    return np.sign(x)


@primitive
def floor(x: Array) -> Array:
    """The next integer below, in x's type. Its gradient is 0 everywhere, as in PyTorch."""
    return _rounded(np.floor, x)


@primitive
def ceil(x: Array) -> Array:
    """The next integer above, in x's type. Its gradient is 0 everywhere, as in PyTorch."""
    return _rounded(np.ceil, x)


@primitive
def round(x: Array) -> Array:
    """The nearest integer, in x's type; halves go to the even one (2.5 -> 2).

    Its gradient is 0 everywhere, as in PyTorch.
    """
    return _rounded(np.rint, x)


def _rounded(function: Callable[[Array], Array], x: Array) -> Array:
    """Round floating point, and copy what is whole already, so that it keeps its type."""
    return function(x) if np.asarray(x).dtype.kind == "f" else np.array(x)


@gradient("sign", "floor", "ceil", "round")
def step_gradient(g: Array, call: Record) -> Any:
    return np.zeros_like(g)


# Bounds
@primitive
def clip(x: Array, *, low: float | None = None, high: float | None = None) -> Array:
    """x, but at least `low` and at most `high`; None means no bound.

    The gradient passes where low <= x <= high, the bounds included, and is 0 elsewhere. Raises
    ValueError without any bound, TypeError for a bound that is no number.
    """
    if low is None and high is None:
        raise ValueError("clip: neither low nor high is given; give at least one of them")
    for name, bound in (("low", low), ("high", high)):
        if bound is not None and np.ndim(bound) != 0:
            raise TypeError(
                f"clip: {name} is {bound!r:.60}, but a bound is one number; "
                "for a bound per element use maximum(x, ...) and minimum(x, ...)"
            )
    return np.clip(x, low, high)


@gradient("clip")
def clip_gradient(g: Array, call: Record) -> Any:
    (x,) = call.arrays
    low, high = call.params.get("low"), call.params.get("high")
    inside = np.ones(x.shape, bool)
    if low is not None:
        inside &= x >= low
    if high is not None:
        inside &= x <= high
    return g * inside


@primitive
def maximum(x: Array, y: Array) -> Array:
    """The larger of x and y, element by element, broadcasting. A tie shares the gradient."""
    return np.maximum(x, y)


@primitive
def minimum(x: Array, y: Array) -> Array:
    """The smaller of x and y, element by element, broadcasting. A tie shares the gradient."""
    return np.minimum(x, y)


@gradient("maximum", "minimum")
def chosen_gradient(g: Array, call: Record) -> Any:
    x, y = call.arrays
    half = 0.5 * (g * np.equal(x, y))  # both were chosen: each gets half
    return (
        g * (np.equal(x, call.out)) - half if call.needs[0] else None,
        g * (np.equal(y, call.out)) - half if call.needs[1] else None,
    )
