"""Cases of what works element by element: arithmetic, functions, activations, comparisons."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from operation_helper import (
    Case,
    Make,
    Row,
    away,
    between,
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


def pairs(make: Callable[..., Make]) -> list[Row]:
    """Two operands in every relation of shapes."""
    return [
        row(make(2, 3), make(2, 3)),
        row(make(2, 3), make(3)),
        row(make(3), make(2, 3)),
        row(make(2, 1), make(1, 3)),
        row(make(4, 1, 3), make(2, 1)),
        row(make(), make(2, 3)),
        row(make(2, 3), make()),
        row(make(), make()),
        row(make(0, 3), make(3)),
        row(make(1, 3), make(0, 3)),
        row(make(1), make(1)),
        row(turned(make(3, 4)), turned(make(3, 4))),
        row(turned(make(3, 4)), make(4)),
        row(wide(make(2, 3)), wide(make(3))),
        row(wide(make(2, 3)), make(3)),
        row(make(2, 3), 2.5),
        row(2.5, make(2, 3)),
        row(make(2, 3), 2),
        row(make(2, 3), integers(1, 4, 3)),
        row(integers(1, 4, 2, 1), make(3)),
        row(integers(1, 4, 2, 3), integers(1, 4, 3)),
    ]


def single(make: Callable[..., Make]) -> list[Row]:
    """One operand in every form."""
    return [
        row(make(2, 3)),
        row(make()),
        row(make(1)),
        row(make(0, 3)),
        row(turned(make(3, 4))),
        row(turned(make(2, 3, 4))),
        row(spaced(make(2, 3))),
        row(stretched(make(2, 3))),
        row(wide(make(2, 3))),
    ]


WHOLE = row(integers(1, 5, 2, 3))


def big(make: Callable[..., Make]) -> list[Row]:
    """More than one block of a fast kernel, in every memory layout."""
    layouts: list[Callable[[Make], Make]] = [lambda x: x, turned, spaced, stretched]
    return [row(layout(make(9, 50, 41)), large=True) for layout in layouts]


BIG = big(normal)
EXTREME = row(values([[-1000, 0.5, 1000], [88, -88, 30]]))


def positive(*shape: int) -> Make:
    return between(0.3, 2, *shape)


def far_apart(rows: int, columns: int) -> Make:
    """Rows of numbers near each other, every other row far below the one before."""
    levels = np.where(np.arange(rows) % 2, -200, 200)[:, np.newaxis]
    return lambda rng: (rng.standard_normal((rows, columns)).round(3) + levels).astype(np.float32)


def exact_gelu(x: Any) -> Any:
    """The tanh formula written with a sigmoid: tanh(z) = 2 sigmoid(2z) - 1."""
    z = math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)
    return x / (1 + np.exp(-2 * z))


ARITHMETIC: list[Case] = [
    *operation("add", *pairs(normal), row(booleans(2, 3), booleans(3)),
               numpy=np.add, torch=lambda t, x, y: x + y),
    *operation("sub", *pairs(normal), numpy=np.subtract, torch=lambda t, x, y: x - y),
    *operation("mul", *pairs(normal), row(booleans(2, 3), normal(3)),
               numpy=np.multiply, torch=lambda t, x, y: x * y),
    *operation("div", *pairs(away), numpy=np.true_divide, torch=lambda t, x, y: x / y),
    *operation(
        "pow",
        *pairs(positive),
        row(away(2, 3), 3.0),
        row(away(2, 3), 2),
        row(away(2, 3), -1),
        row(away(2, 3), values([0.0, 1.0, 2.0]), kink=True, noisy=True),  # nan where x < 0
        row(values([0.0, 0.0, 0.0, 0.0]), values([0.0, 1.0, 2.0, 3.0]), kink=True),
        row(values([0.0, 0.0]), values([-1.0, 0.5]), kink=True, noisy=True),
        row(values([0.0, 2.0]), 0),
        row(values([0.0, 2.0]), 1),
        numpy=np.power,
        torch=lambda t, x, y: x**y,
    ),
    *operation("neg", *single(normal), WHOLE, numpy=np.negative, torch=lambda t, x: -x),
    *operation("exp", *single(normal), WHOLE, numpy=np.exp, torch=lambda t, x: t.exp(x)),
    *operation("log", *single(positive), WHOLE, row(values([0.0, -1.0]), noisy=True, kink=True),
               numpy=np.log, torch=lambda t, x: t.log(x)),
]  # fmt: skip

ties = values([1.0, 2.0, 3.0, 3.0]), values([1.0, 3.0, 2.0, 3.0])
FURTHER: list[Case] = [
    *operation("abs", *single(away), WHOLE, row(values([0.0, -0.0, 2.0]), kink=True),
               numpy=lambda x: np.maximum(x, -x), torch=lambda t, x: t.abs(x)),
    *operation("sqrt", *single(positive), WHOLE,
               row(values([0.0, 4.0, -1.0]), kink=True, noisy=True),
               numpy=lambda x: np.power(x, 0.5), torch=lambda t, x: t.sqrt(x)),
    *operation("sin", *single(normal), WHOLE, numpy=np.sin, torch=lambda t, x: t.sin(x)),
    *operation("cos", *single(normal), WHOLE, numpy=np.cos, torch=lambda t, x: t.cos(x)),
    *operation("log1p", *single(positive), WHOLE, row(values([1e-9, 0.0, -0.5])),
               numpy=np.log1p, torch=lambda t, x: t.log1p(x)),
    *operation("sign", *single(away), WHOLE, row(values([0.0, 2.0]), kink=True),
               numpy=np.sign, torch=lambda t, x: t.sign(x)),
    *operation("floor", *single(away), WHOLE, row(values([1.0, -1.5]), kink=True),
               numpy=lambda x: x - np.mod(x, 1), torch=lambda t, x: t.floor(x)),
    *operation("ceil", *single(away), WHOLE, row(values([1.0, -1.5]), kink=True),
               numpy=lambda x: x + np.mod(-x, 1), torch=lambda t, x: t.ceil(x)),
    *operation("round", *single(away), WHOLE,
               row(values([0.5, 1.5, 2.5, -0.5, -1.5]), kink=True),
               numpy=np.round, torch=lambda t, x: t.round(x)),
    *operation(
        "clip",
        *[row(*r.operands, low=-0.51, high=0.77) for r in single(normal)],
        row(normal(2, 3), low=-0.51),
        row(normal(2, 3), high=0.77),
        row(normal(2, 3), low=0.77, high=-0.51),
        row(values([-1.0, 0.0, 1.0, 2.0]), low=0.0, high=1.0, kink=True),
        row(integers(-5, 5, 2, 3), low=-2, high=2),
        numpy=lambda x, low=-np.inf, high=np.inf:
            np.minimum(np.maximum(x, low), high).astype(x.dtype),
        torch=lambda t, x, low=None, high=None: t.clamp(x, low, high),
    ),
    *operation("maximum", *pairs(normal), row(*ties, kink=True),
               numpy=lambda x, y: np.where(np.greater(x, y), x, y),
               torch=lambda t, x, y: t.maximum(*both(t, x, y))),
    *operation("minimum", *pairs(normal), row(*ties, kink=True),
               numpy=lambda x, y: np.where(np.less(x, y), x, y),
               torch=lambda t, x, y: t.minimum(*both(t, x, y))),
]  # fmt: skip


def both(t: Any, x: Any, y: Any) -> list[Any]:
    """Plain numbers as tensors, in the other operand's type: some functions of torch want that."""
    other = next(v for v in (x, y) if isinstance(v, t.Tensor))
    return [v if isinstance(v, t.Tensor) else t.tensor(v, dtype=other.dtype) for v in (x, y)]


ACTIVATIONS: list[Case] = [
    *operation("relu", *single(away), WHOLE, *big(away), row(away(60, 41), large=True),
               row(values([0.0, -1.0, 1.0]), kink=True),
               numpy=lambda x: (x + np.abs(x)) / 2 if x.dtype.kind == "f" else np.maximum(x, 0),
               torch=lambda t, x: t.relu(x)),
    *operation("sigmoid", *single(normal), WHOLE, EXTREME, *BIG,
               row(between(-200, 200, 200, 90), large=True),
               numpy=lambda x: 0.5 * (1 + np.tanh(x / 2)), torch=lambda t, x: t.sigmoid(x)),
    *operation("tanh", *single(normal), WHOLE, EXTREME, *BIG,
               numpy=lambda x: 1 - 2 / (1 + np.exp(np.minimum(2.0 * x.astype(float), 700))),
               torch=lambda t, x: t.tanh(x)),
    *operation("gelu", *single(normal), *BIG, row(values([-8.0, 0.0, 8.0])),
               numpy=exact_gelu,
               torch=lambda t, x: t.nn.functional.gelu(x, approximate="tanh")),
    *[
        case
        for name, logarithm in (("softmax", False), ("log_softmax", True))
        for case in operation(
            name,
            row(normal(2, 3)),
            row(normal(2, 3), axis=0),
            row(normal(2, 3, 4), axis=1),
            row(normal(2, 3, 4), axis=-2),
            row(normal(3)),
            row(normal(2, 1)),
            row(normal(0, 3)),
            row(normal(3, 0), axis=0),
            row(turned(normal(3, 4))),
            row(turned(normal(2, 3, 4)), axis=0),
            row(wide(normal(2, 3))),
            row(values([[1000.0, 1000.0, 999.0], [-1000.0, 0.0, -1000.0]])),
            row(values([[2.0, 2.0, 2.0]])),
            *BIG,
            row(normal(300, 70), axis=0, large=True),
            row(normal(9, 50, 41), axis=1, large=True),
            row(normal(9, 50, 41), axis=2, large=True),
            row(between(-200, 200, 300, 70), large=True),
            row(normal(4000, 20), large=True),  # several blocks of rows
            row(far_apart(700, 30), large=True),
            numpy=lambda x, axis=-1, log=logarithm: shares(x, axis, log),
            torch=lambda t, x, axis=-1, log=logarithm:
                (t.log_softmax if log else t.softmax)(x, dim=axis),
        )
    ],
]  # fmt: skip


def shares(x: Any, axis: int, logarithm: bool) -> Any:
    """Softmax as 1 / sum(exp(other - own)): no common subtraction, no division of two exps."""
    others = np.expand_dims(x, axis if axis >= 0 else axis - 1)  # (..., 1, n) below (..., n, 1)
    own = np.expand_dims(x, axis + 1 if axis >= 0 else axis)
    total = np.logaddexp.reduce(
        (others - own).astype(np.float64), axis=axis + 1 if axis >= 0 else axis
    )
    return -total if logarithm else np.exp(-total)


same = values([[1.0, 2.0, np.nan], [np.inf, -0.0, 5.0]]), values([1.0, -2.0, np.nan])
COMPARISONS: list[Case] = [
    *[
        case
        for name, numpy, torch in (
            ("equal", np.equal, "eq"),
            ("not_equal", np.not_equal, "ne"),
            ("less", np.less, "lt"),
            ("less_equal", np.less_equal, "le"),
            ("greater", np.greater, "gt"),
            ("greater_equal", np.greater_equal, "ge"),
        )
        for case in operation(
            name,
            row(integers(0, 3, 2, 3), integers(0, 3, 2, 3)),
            row(*same),
            row(distinct(2, 3), distinct(3)),
            row(distinct(2, 1), distinct(1, 3)),
            row(distinct(), distinct()),
            row(distinct(0, 3), distinct(3)),
            row(turned(distinct(3, 4)), distinct(3, 4)),
            row(distinct(2, 3), 0.25),
            row(distinct(2, 3), integers(0, 2, 3)),
            row(booleans(2, 3), booleans(3)),
            numpy=numpy,
            torch=lambda t, x, y, name=torch: getattr(t, name)(x, y),
        )
    ],
    *[
        case
        for name, numpy in (
            ("logical_and", lambda x, y: (x != 0) & (y != 0)),
            ("logical_or", lambda x, y: (x != 0) | (y != 0)),
        )
        for case in operation(
            name,
            row(booleans(2, 3), booleans(2, 3)),
            row(booleans(2, 1), booleans(3)),
            row(booleans(), booleans()),
            row(booleans(0, 3), booleans(3)),
            row(values([0.0, 0.5, -1.0, 0.0]), integers(0, 2, 4)),
            numpy=numpy,
            torch=lambda t, x, y, name=name: getattr(t, name)(x, y),
        )
    ],
    *operation("logical_not", row(booleans(2, 3)), row(values([0.0, 0.5])), row(integers(0, 2, 4)),
               row(booleans(0)), row(booleans()),
               numpy=lambda x: x == 0, torch=lambda t, x: t.logical_not(x)),
    *operation("isnan", row(same[0]), row(integers(0, 3, 2)), row(normal(0)),
               numpy=lambda x: x != x, torch=lambda t, x: t.isnan(x)),
    *operation("isfinite", row(same[0]), row(values(-np.inf)), row(integers(0, 3, 2)),
               row(normal(0)),
               numpy=lambda x: np.abs(x) < np.inf, torch=lambda t, x: t.isfinite(x)),
]  # fmt: skip

CASES = ARITHMETIC + FURTHER + ACTIVATIONS + COMPARISONS
