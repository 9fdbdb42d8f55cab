"""Reductions: many elements to one, over one axis, several (a tuple), or all of them (None).

Besides the three of module 01. `keepdims=True` leaves the reduced axes with size 1. Left out:
sorting (`sorting.py`).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from tinytorch.core.methods import Axis
from tinytorch.core.primitive import Array, Record, gradient, primitive
from tinytorch.core.shapes import restore_axes


def axis_of(call: Record) -> tuple[Axis, bool]:
    """Return the parameters `axis` and `keepdims` of a reduction's call."""
    return call.params.get("axis"), call.params.get("keepdims", False)


@primitive
def min(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """The smallest element. Ties share the gradient, as in `torch.amin`."""
    return np.min(x, axis=axis, keepdims=keepdims)


@gradient("min")
def min_gradient(g: Array, call: Record) -> Any:
    (x,) = call.arrays
    axis, keepdims = axis_of(call)
    winners = x == restore_axes(call.out, axis, keepdims)
    ties = winners.sum(axis=axis, keepdims=True)
    return restore_axes(g, axis, keepdims) * winners / ties.astype(g.dtype)


@primitive
def prod(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """The product; 1 where there is nothing to multiply."""
    return np.prod(x, axis=axis, keepdims=keepdims)


@gradient("prod")
def prod_gradient(g: Array, call: Record) -> Any:
    """Each element's gradient is the product of all the others: out / x fails where x is 0."""
    (x,) = call.arrays
    axis, keepdims = axis_of(call)
    axes = normalize_axis_tuple(axis if axis is not None and x.ndim else range(x.ndim), x.ndim)
    last = range(-len(axes), 0)
    moved = np.moveaxis(x, axes, last)  # (kept..., reduced...)
    kept = moved.shape[: x.ndim - len(axes)]
    rows = moved.reshape(*kept, math.prod(moved.shape[len(kept) :]))
    before, after = np.ones_like(rows), np.ones_like(rows)
    np.cumprod(rows[..., :-1], axis=-1, out=before[..., 1:])
    np.cumprod(rows[..., :0:-1], axis=-1, out=after[..., -2::-1])
    others = np.moveaxis((before * after).reshape(moved.shape), last, axes)
    return restore_axes(g, axis, keepdims) * others


@primitive
def var(x: Array, *, axis: Axis = None, keepdims: bool = False, correction: int = 1) -> Array:
    """The variance: squared distances from the mean, divided by their number - `correction`.

    correction 1 estimates the variance of what x was drawn from (PyTorch's default); 0 gives that
    of x itself (NumPy's). nan, with a warning, where the divisor is not positive.
    """
    return np.var(x, axis=axis, keepdims=keepdims, ddof=correction)


def _var_slope(call: Record) -> Array:
    """The gradient of the variance with respect to each element."""
    (x,) = call.arrays
    axis, _ = axis_of(call)
    mean = x.mean(axis=axis, keepdims=True)
    divisor = x.size // mean.size - call.params.get("correction", 1) if mean.size else 0
    slope: Array = (x - mean) * (2 / divisor if divisor > 0 else math.nan)
    return slope


@gradient("var")
def var_gradient(g: Array, call: Record) -> Any:
    return restore_axes(g, *axis_of(call)) * _var_slope(call)


@primitive
def std(x: Array, *, axis: Axis = None, keepdims: bool = False, correction: int = 1) -> Array:
    """The standard deviation: the square root of `var`. Its gradient is 0 where it is 0."""
    return np.std(x, axis=axis, keepdims=keepdims, ddof=correction)


@gradient("std")
def std_gradient(g: Array, call: Record) -> Any:
    halved = np.divide(g, 2 * call.out, out=np.zeros_like(g), where=call.out != 0)
    return restore_axes(halved, *axis_of(call)) * _var_slope(call)


@primitive
def norm(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """The Euclidean (L2) length over `axis`. Its gradient is 0 where it is 0, as in PyTorch."""
    return np.sqrt(np.sum(np.square(x), axis=axis, keepdims=keepdims))


@gradient("norm")
def norm_gradient(g: Array, call: Record) -> Any:
    scaled = np.divide(g, call.out, out=np.zeros_like(g), where=call.out != 0)
    return restore_axes(scaled, *axis_of(call)) * call.arrays[0]


@primitive
def logsumexp(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """log(sum(exp(x))), computed so that exp never overflows; -inf where there is nothing to add.

    The largest element is subtracted first, and added again at the end.
    """
    largest = np.max(x, axis=axis, keepdims=True, initial=-np.inf)
    largest = np.where(np.isfinite(largest), largest, 0)
    with np.errstate(divide="ignore"):  # log(0) is -inf, and meant
        out = np.log(np.sum(np.exp(x - largest), axis=axis, keepdims=True)) + largest
    return out if keepdims else np.squeeze(out, axis)


@gradient("logsumexp")
def logsumexp_gradient(g: Array, call: Record) -> Any:
    axis, keepdims = axis_of(call)
    out = np.where(np.isneginf(call.out), 0, call.out)  # exp(-inf - 0) is 0, and -inf + inf is nan
    share = np.exp(call.arrays[0] - restore_axes(out, axis, keepdims))
    return restore_axes(g, axis, keepdims) * share


@primitive
def cumsum(x: Array, *, axis: int) -> Array:
    """The running sum along `axis`: element i is the sum of the elements up to and including i."""
    return np.cumsum(x, axis=axis).reshape(np.shape(x))


@gradient("cumsum")
def cumsum_gradient(g: Array, call: Record) -> Any:
    """x[i] is in the sums i, i+1, ...: their gradients are added up from the other end."""
    if g.ndim == 0:
        return g
    axis = call.params["axis"]
    return np.flip(np.cumsum(np.flip(g, axis), axis=axis), axis)


# Without a gradient: the answers are places, or true and false
@primitive(differentiable=False)
def argmax(x: Array, *, axis: int | None = None, keepdims: bool = False) -> Array:
    """Where the largest element is along `axis` (None: in the flattened x); the first of ties."""
    return np.argmax(x, axis=axis, keepdims=keepdims)


@primitive(differentiable=False)
def argmin(x: Array, *, axis: int | None = None, keepdims: bool = False) -> Array:
    """Where the smallest element is along `axis` (None: in the flattened x); the first of ties."""
    return np.argmin(x, axis=axis, keepdims=keepdims)


@primitive(differentiable=False)
def any(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """Whether at least one element is true; False where there is none."""
    return np.any(x, axis=axis, keepdims=keepdims)


@primitive(differentiable=False)
def all(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """Whether no element is false; True where there is none."""
    return np.all(x, axis=axis, keepdims=keepdims)
