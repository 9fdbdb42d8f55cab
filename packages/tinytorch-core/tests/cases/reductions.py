"""Cases of the reductions, of running sums, and of sorting."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from operation_helper import (
    Case,
    Make,
    Row,
    booleans,
    distinct,
    integers,
    normal,
    operation,
    row,
    spaced,
    stretched,
    turned,
    values,
    wide,
)

from tinytorch.core import ops


def reduced(make: Callable[..., Make], **params: Any) -> list[Row]:
    """Every way to name the axes, over every kind of shape that is not empty."""
    return [
        row(make(2, 3), **params),
        row(make(2, 3, 4), axis=0, **params),
        row(make(2, 3, 4), axis=-1, **params),
        row(make(2, 3, 4), axis=1, keepdims=True, **params),
        row(make(2, 3, 4), axis=(0, 2), **params),
        row(make(2, 3, 4), axis=(-1, 0), keepdims=True, **params),
        row(make(2, 3, 4), axis=(0, 1, 2), **params),
        row(make(2, 3), keepdims=True, **params),
        row(make(5), axis=0, **params),
        row(turned(make(3, 4)), axis=0, **params),
        row(turned(make(2, 3, 4)), axis=(1, 2), **params),
        row(spaced(make(2, 3)), axis=1, **params),
        row(stretched(make(2, 3)), axis=1, **params),
        row(wide(make(2, 3)), axis=1, **params),
    ]


SMALL = [row(normal()), row(normal(1, 1)), row(normal(1, 3), axis=0)]
EMPTY = [row(normal(0, 3), axis=1), row(normal(2, 0, 3), axis=2, keepdims=True)]
NOTHING = [row(normal(0, 3)), row(normal(0, 3), axis=0), row(normal(2, 0), axis=1, keepdims=True)]
WHOLE = [
    row(integers(-3, 4, 2, 3)),
    row(integers(-3, 4, 2, 3), axis=0),
    row(booleans(2, 3), axis=1),
]
TIES = [
    row(values([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]]), axis=1, kink=True),
    row(values([[1.0, 3.0, 3.0], [3.0, 0.0, 0.0]]), kink=True),
    row(values([[1.0, 3.0], [3.0, 1.0]]), axis=(0, 1), keepdims=True, kink=True),
]


def along(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let function(torch, x, **params), which reduces the last axis, reduce any."""

    def reduce(t: Any, x: Any, axis: Any = None, keepdims: bool = False, **params: Any) -> Any:
        axes = range(x.ndim) if axis is None else (axis,) if isinstance(axis, int) else axis
        places = sorted(a % x.ndim for a in axes)
        kept = [a for a in range(x.ndim) if a not in places]
        rows = x.permute((*kept, *places)).reshape([*(x.shape[a] for a in kept), count(x, places)])
        out = function(t, rows, **params)
        for place in places if keepdims else ():
            out = out.unsqueeze(place)
        return out

    return reduce


def count(x: Any, places: list[int]) -> int:
    """How many elements are reduced to one."""
    return int(np.prod([x.shape[a] for a in places]))


def length(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """The Euclidean norm as the root of a product of x with itself."""
    return np.power((x * x).sum(axis=axis, keepdims=keepdims), 0.5)


def spread(x: Any, axis: Any = None, keepdims: bool = False, correction: int = 1) -> Any:
    """The variance from the mean of squares: E[x^2] - E[x]^2, times n / (n - correction)."""
    n = x.size // max(x.sum(axis=axis).size, 1)
    x = np.asarray(x, np.float64)
    squares, mean = ((v).mean(axis=axis, keepdims=keepdims) for v in (x * x, x))
    return (squares - mean * mean) * np.divide(n, n - correction)


def variance(t: Any, x: Any, correction: int = 1) -> Any:
    return t.var(x, dim=-1, correction=correction)


def deviation(t: Any, x: Any, correction: int = 1) -> Any:
    return t.std(x, dim=-1, correction=correction)


ZEROS = values([[0.0, 2.0, 3.0], [0.0, 0.0, 5.0], [1.0, 2.0, 3.0]])
CONSTANT = values([[2.0, 2.0, 2.0], [1.0, 2.0, 4.0]])

REDUCTIONS: list[Case] = [
    *operation("sum", *reduced(normal), *SMALL, *EMPTY, *NOTHING, *WHOLE,
               numpy=np.sum, torch=along(lambda t, x: x.sum(-1))),
    *operation("mean", *reduced(normal), *SMALL, *EMPTY, *WHOLE,
               row(normal(0, 3), noisy=True, kink=True),
               numpy=lambda x, **p: np.sum(x, **p) / (x.size / max(np.sum(x, **p).size, 1)),
               torch=along(lambda t, x: (x if x.is_floating_point() else x.float()).mean(-1))),
    *operation("max", *reduced(distinct), *SMALL, *EMPTY, *TIES, *WHOLE,
               numpy=np.max, torch=along(lambda t, x: x.amax(-1))),
    *operation("min", *reduced(distinct), *SMALL, *EMPTY, *TIES, *WHOLE,
               numpy=np.min, torch=along(lambda t, x: x.amin(-1))),
    *operation("prod", *reduced(normal), *SMALL, *EMPTY, *NOTHING, *WHOLE,
               row(ZEROS, axis=1), row(ZEROS, axis=0), row(ZEROS), row(ZEROS, axis=(0, 1)),
               numpy=np.prod, torch=along(lambda t, x: x.prod(-1))),
    *operation("var", *reduced(normal), *reduced(normal, correction=0)[:5], *EMPTY,
               row(normal(), correction=0), row(normal(1, 3), axis=0, noisy=True, kink=True),
               row(CONSTANT, axis=1),
               numpy=spread, torch=along(variance)),
    *operation("std", *reduced(normal), *reduced(normal, correction=0)[:5],
               row(CONSTANT, axis=1, kink=True), row(values(2.0), correction=0, kink=True),
               row(normal(1, 3), axis=0, noisy=True, kink=True),
               numpy=lambda *x, **p: np.power(np.maximum(spread(*x, **p), 0), 0.5),
               torch=along(deviation)),
    *operation("norm", *reduced(normal), *EMPTY, *NOTHING,
               row(values([[0.0, 0.0], [3.0, 4.0]]), axis=1, kink=True), row(integers(1, 4, 2, 3)),
               numpy=length,
               torch=along(lambda t, x: t.linalg.vector_norm(
                   x if x.is_floating_point() else x.float(), dim=-1))),
    *operation("logsumexp", *reduced(normal), *SMALL, *EMPTY,
               row(normal(0, 3), axis=0, noisy=True, kink=True),
               row(values([[1000.0, 999.0], [-1000.0, -1001.0]]), axis=1),
               row(values([[-np.inf, 0.0], [1.0, -np.inf]]), axis=1, kink=True),
               numpy=lambda x, axis=None, keepdims=False: np.logaddexp.reduce(
                   x, axis=axis, keepdims=keepdims) if axis is not None or x.ndim < 2
               else np.logaddexp.reduce(x.reshape(-1)).reshape((1,) * x.ndim if keepdims else ()),
               torch=along(lambda t, x: t.logsumexp(x, -1))),
    *operation("any", row(booleans(2, 3), axis=1), row(booleans(2, 3)), *NOTHING,
               row(integers(0, 2, 2, 3), axis=0, keepdims=True),
               row(values([[0.0, 0.0], [0.0, 2.0]]), axis=(0,)), row(booleans(2, 3), axis=(0, -1)),
               numpy=lambda x, **p: np.count_nonzero(x, **p) > 0,
               torch=along(lambda t, x: t.any(x, -1))),
    *operation("all", row(booleans(2, 3), axis=1), row(booleans(2, 3)), *NOTHING,
               row(integers(0, 2, 2, 3), axis=0, keepdims=True),
               row(values([[0.0, 1.0], [3.0, 2.0]]), axis=(0,)), row(booleans(2, 3), axis=(0, -1)),
               numpy=lambda x, **p: np.count_nonzero(x == 0, **p) == 0,
               torch=along(lambda t, x: t.all(x, -1))),
    *[
        case
        for name, numpy in (("argmax", np.argmax), ("argmin", np.argmin))
        for case in operation(
            name, row(distinct(2, 3)), row(distinct(2, 3), axis=0), row(distinct(2, 3), axis=-1),
            row(distinct(2, 3), axis=1, keepdims=True), row(distinct(2, 3), keepdims=True),
            row(distinct(0, 3), axis=1), row(integers(0, 2, 4, 5), axis=1), row(distinct()),
            row(turned(distinct(3, 4)), axis=0), row(values([2.0, 5.0, 5.0, 1.0, 1.0])),
            numpy=numpy, torch=along(lambda t, x, name=name: getattr(t, name)(x, -1)),
        )
    ],
]  # fmt: skip


ORDERED = [
    row(distinct(2, 3)),
    row(distinct(2, 3), axis=0),
    row(distinct(2, 3, 4), axis=-2, descending=True),
    row(integers(0, 3, 3, 8), descending=True),
    row(integers(0, 3, 3, 8), axis=1),
    row(values([2.0, 1.0, 2.0, 1.0]), kink=True),
    row(values([2.0, 1.0, 2.0, 1.0]), descending=True, kink=True),
    row(distinct(0, 3)),
    row(turned(distinct(3, 4)), axis=0, descending=True),
]

ALONG: list[Case] = [
    *operation("cumsum", row(normal(2, 3), axis=0), row(normal(2, 3), axis=-1),
               row(normal(2, 3, 4), axis=1), row(normal(1), axis=0), row(normal(0, 3), axis=0),
               row(normal(), axis=0), row(turned(normal(3, 4)), axis=1),
               row(wide(normal(4)), axis=0),
               row(integers(0, 5, 2, 3), axis=1), row(booleans(2, 3), axis=1),
               numpy=lambda x, axis: running(x, axis), torch=lambda t, x, axis: t.cumsum(x, axis)),
    *operation("argsort", *ORDERED,
               numpy=lambda x, axis=-1, descending=False:
                   np.argsort(-x if descending else x, axis=axis, kind="stable"),
               torch=lambda t, x, axis=-1, descending=False:
                   t.argsort(x, dim=axis, descending=descending, stable=True)),
    *operation("sort", *ORDERED, call=ops.sort,
               numpy=lambda x, axis=-1, descending=False:
                   -np.sort(-x, axis=axis) if descending else np.sort(x, axis=axis),
               torch=lambda t, x, axis=-1, descending=False:
                   t.sort(x, dim=axis, descending=descending, stable=True).values),
    *operation("topk", row(distinct(2, 5), k=2), row(distinct(5, 2), k=3, axis=0),
               row(distinct(4), k=4), row(distinct(4), k=0), row(integers(0, 90, 7), k=3),
               call=ops.topk,
               numpy=lambda x, k, axis=-1: tuple(
                   np.take(np.flip(found, axis), np.arange(k), axis)
                   for found in (np.sort(x, axis), np.argsort(x, axis))),
               torch=lambda t, x, k, axis=-1: tuple(t.topk(x, k, dim=axis))),
]  # fmt: skip


def running(x: Any, axis: int) -> Any:
    """The running sum as a product with a triangle of ones."""
    x = x * 1 if x.dtype.kind == "b" else x
    if x.ndim == 0:
        return x
    n = x.shape[axis]
    sums = np.tensordot(np.tril(np.ones((n, n), x.dtype)), x, axes=(1, axis))
    return np.moveaxis(sums, 0, axis)


CASES = REDUCTIONS + ALONG
