"""Comparisons and logic: operations that answer with true or false, and so have no gradient.

A result never requires a gradient, whatever its operands do. Left out: `any` and `all`, which
combine many answers into one (`reduction.py`), and choosing by a mask (`selection.py`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinytorch.core.primitive import Array, primitive
from tinytorch.core.tensor import Tensor


@primitive(differentiable=False)
def equal(x: Array, y: Array) -> Array:
    """x == y, element by element, broadcasting. (For one answer: `allclose`.)"""
    return np.equal(x, y)


@primitive(differentiable=False)
def not_equal(x: Array, y: Array) -> Array:
    """x != y, element by element, broadcasting."""
    return np.not_equal(x, y)


@primitive(differentiable=False)
def less(x: Array, y: Array) -> Array:
    """x < y, element by element, broadcasting."""
    return np.less(x, y)


@primitive(differentiable=False)
def less_equal(x: Array, y: Array) -> Array:
    """x <= y, element by element, broadcasting."""
    return np.less_equal(x, y)


@primitive(differentiable=False)
def greater(x: Array, y: Array) -> Array:
    """x > y, element by element, broadcasting."""
    return np.greater(x, y)


@primitive(differentiable=False)
def greater_equal(x: Array, y: Array) -> Array:
    """x >= y, element by element, broadcasting."""
    return np.greater_equal(x, y)


@primitive(differentiable=False)
def logical_and(x: Array, y: Array) -> Array:
    """Whether x and y are both true, element by element, broadcasting; 0 is false."""
    return np.logical_and(x, y)


@primitive(differentiable=False)
def logical_or(x: Array, y: Array) -> Array:
    """Whether x, y or both are true, element by element, broadcasting; 0 is false."""
    return np.logical_or(x, y)


@primitive(differentiable=False)
def logical_not(x: Array) -> Array:
    """Whether x is false, element by element; 0 is false."""
    return np.logical_not(x)


@primitive(differentiable=False)
def isnan(x: Array) -> Array:
    """Whether an element is not a number (0/0, say)."""
    return np.isnan(x)


@primitive(differentiable=False)
def isfinite(x: Array) -> Array:
    """Whether an element is neither infinite nor nan."""
    return np.isfinite(x)


def allclose(
    x: Any, y: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False
) -> bool:
    """Whether |x - y| <= atol + rtol * |y| for all elements, broadcasting.

    x, y       tensors, arrays or numbers
    rtol       the difference allowed as a share of |y|
    atol       the difference allowed besides, which decides where y is nearly 0
    equal_nan  whether nan is close to nan

    >>> from tinytorch.core.ops import allclose
    >>> allclose([1.0, 2.0], [1.0, 2.0 + 1e-7]), allclose([1.0], [1.1])
    (True, False)
    """
    x, y = (v.data if isinstance(v, Tensor) else v for v in (x, y))
    return bool(np.allclose(x, y, rtol=rtol, atol=atol, equal_nan=equal_nan))
