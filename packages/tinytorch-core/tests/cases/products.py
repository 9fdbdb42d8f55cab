"""Cases of matrix products, layers and losses."""

from __future__ import annotations

from typing import Any

import numpy as np
from operation_helper import (
    Case,
    between,
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


def sums_of_products(x: Any, y: Any) -> Any:
    """The matrix product by broadcasting: (..., n, k, 1) * (..., 1, k, m), summed over k."""
    row_vector, column_vector = x.ndim == 1, y.ndim == 1
    x = x[None] if row_vector else x
    y = y[:, None] if column_vector else y
    out = (x[..., :, :, None] * y[..., None, :, :]).sum(axis=-2, dtype=np.result_type(x, y))
    out = out[..., 0] if column_vector else out
    if row_vector:
        out = out[..., 0] if column_vector else out[..., 0, :]
    return out


def promoted(t: Any, *tensors: Any) -> list[Any]:
    """All in their common type: torch multiplies matrices of one type only."""
    kinds = [x.dtype for x in tensors]
    common = kinds[0]
    for kind in kinds[1:]:
        common = t.promote_types(common, kind)
    return [x.to(common) for x in tensors]


def einsum(*operands: Any, subscripts: str) -> Any:
    return ops.einsum(subscripts, *operands)


PRODUCTS: list[Case] = [
    *operation("matmul", row(normal(2, 3), normal(3, 4)), row(normal(5, 2, 3), normal(5, 3, 4)),
               row(normal(5, 1, 2, 3), normal(4, 3, 2)), row(normal(2, 3), normal(4, 3, 2)),
               row(normal(4, 2, 3), normal(3, 2)), row(normal(3), normal(3, 4)),
               row(normal(2, 3), normal(3)), row(normal(3), normal(3)),
               row(normal(3), normal(5, 3, 4)), row(normal(5, 2, 3), normal(3)),
               row(normal(0, 3), normal(3, 2)), row(normal(2, 0), normal(0, 3)),
               row(normal(0, 2, 3), normal(3, 2)), row(normal(1, 1), normal(1, 1)),
               row(turned(normal(3, 4)), turned(normal(4, 2))),
               row(turned(normal(4, 2, 3)), turned(normal(3, 2))),
               row(wide(normal(2, 3)), wide(normal(3, 4))), row(wide(normal(2, 3)), normal(3, 4)),
               row(integers(0, 5, 2, 3), integers(0, 5, 3, 2)),
               row(normal(2, 3), integers(0, 5, 3, 2)),
               numpy=sums_of_products, torch=lambda t, x, y: t.matmul(*promoted(t, x, y))),
    *operation("contract", row(normal(2, 3), normal(3, 4), subscripts="ij,jk->ik"),
               row(normal(2, 3), subscripts="ij->ji"), row(normal(2, 3), subscripts="ij->i"),
               row(normal(2, 3), subscripts="ij->"), row(normal(2, 3), subscripts="ji"),
               row(normal(2, 3), normal(2, 3), subscripts="ij,ij->"),
               row(normal(3), normal(4), subscripts="i,j->ij"),
               row(normal(2, 3), normal(4, 5), subscripts="ij,kl->il"),  # j and k are summed alone
               row(normal(2, 3, 4), normal(2, 5, 4), subscripts="bik,bjk->bij"),
               row(normal(2, 3), normal(3, 4), normal(4, 2), subscripts="ij,jk,kl->il"),
               row(normal(2, 3, 4), normal(4, 5), subscripts="...i,ij->...j"),
               row(normal(2, 3, 4), normal(3, 4), subscripts="...i,...i->..."),
               row(normal(2, 1, 4), normal(3, 4), subscripts="...i,...i->..."),
               row(normal(2, 3), normal(3), subscripts="...,..."),
               row(normal(2, 3, 4), subscripts="b...->..."),
               row(normal(), normal(3), subscripts=",i"),
               row(normal(0, 3), normal(3, 2), subscripts="ij,jk"),
               row(normal(2, 3), normal(1, 3), subscripts="ij,ij->ij"),
               row(turned(normal(3, 4)), turned(normal(3, 4)), subscripts=" ij, ij -> j "),
               row(wide(normal(2, 3)), wide(normal(3)), subscripts="ij,j"),
               row(integers(0, 5, 2, 3), integers(0, 5, 3), subscripts="ij,j->i"),
               call=einsum,
               numpy=lambda *x, subscripts: np.einsum(subscripts, *x, optimize=False),
               torch=lambda t, *x, subscripts: t.einsum(subscripts, *x)),
    *operation("outer", row(normal(2), normal(3)), row(normal(0), normal(3)),
               row(integers(0, 5, 2), normal(3)), call=ops.outer,
               numpy=lambda x, y: np.multiply.outer(x, y), torch=lambda t, x, y: t.outer(x, y)),
    *operation("linear", row(normal(4, 3), normal(3, 2), normal(2)),
               row(normal(4, 3), normal(3, 2), None),
               row(normal(3), normal(3, 2), normal(2)),
               row(normal(2, 4, 3), normal(3, 2), normal(2)),
               row(normal(0, 3), normal(3, 2), normal(2)),
               row(normal(1, 1), normal(1, 1), normal(1)),
               row(turned(normal(4, 3)), turned(normal(3, 2)), normal(2)),
               row(turned(normal(2, 4, 3)), normal(3, 2), None),
               row(spaced(normal(4, 3)), stretched(normal(3, 2)), spaced(normal(2))),
               row(wide(normal(4, 3)), wide(normal(3, 2)), wide(normal(2))),
               numpy=lambda x, w, b: sums_of_products(x, w) + (0 if b is None else b),
               torch=lambda t, x, w, b: t.nn.functional.linear(x, w.T, b)),
]  # fmt: skip


def combined(losses: Any, reduction: str) -> Any:
    if reduction == "none":
        return losses
    return np.asarray(losses.sum() / (losses.size if reduction == "mean" else 1), losses.dtype)


def expected_mse(p: Any, y: Any, reduction: str = "mean") -> Any:
    return combined(np.square(np.subtract(p, y)), reduction)


def expected_cross_entropy(
    logits: Any, target: Any, reduction: str = "mean", label_smoothing: float = 0.0
) -> Any:
    """Example by example, class by class: log(sum(exp)) - logit, weighted."""
    scores = np.moveaxis(logits, 1, -1)  # (N, C, ...) -> (N, ..., C)
    classes = scores.shape[-1]
    if target.dtype.kind == "f":
        wanted = np.moveaxis(target, 1, -1)
    else:
        wanted = (target[..., None] == np.arange(classes)).astype(logits.dtype)
    wanted = (1 - label_smoothing) * wanted + label_smoothing / classes
    total = np.logaddexp.reduce(scores, axis=-1, keepdims=True)
    return combined((wanted * (total - scores)).sum(axis=-1), reduction)


def expected_bce(p: Any, y: Any, reduction: str = "mean") -> Any:
    with np.errstate(divide="ignore"):
        yes, no = np.log(p), np.log(1 - p)
    return combined(-y * np.maximum(yes, -100) - (1 - y) * np.maximum(no, -100), reduction)


def expected_bce_with_logits(x: Any, y: Any, reduction: str = "mean") -> Any:
    return combined(y * np.logaddexp(0, -x) + (1 - y) * np.logaddexp(0, x), reduction)


def loss(name: str) -> Any:
    """PyTorch's function of that name."""
    return lambda t, x, y, **params: getattr(t.nn.functional, name)(x, y, **params)


def loss_of_numbers(name: str) -> Any:
    """The same, for functions that want their targets in the type of the predictions."""
    return lambda t, x, y, **params: loss(name)(t, x, y.to(x.dtype), **params)


def every_reduction(*operands: Any, **params: Any) -> list[Any]:
    return [row(*operands, reduction=r, **params) for r in ("mean", "sum", "none")]


PROBABILITIES = values([[0.2, 0.5, 0.3], [1.0, 0.0, 0.0]])

LOSSES: list[Case] = [
    *operation("mse_loss", row(normal(4, 3), normal(4, 3)), *every_reduction(normal(4), normal(4)),
               row(normal(), normal()), row(normal(1, 1), normal(1, 1)),
               row(turned(normal(3, 4)), normal(3, 4), reduction="none"),
               row(normal(0, 3), normal(0, 3), reduction="sum"),
               row(normal(0, 3), normal(0, 3), noisy=True, kink=True),
               row(wide(normal(3)), wide(normal(3))), row(normal(4), integers(0, 3, 4)),
               numpy=expected_mse,
               torch=loss_of_numbers("mse_loss")),
    *operation("cross_entropy", row(normal(4, 3), integers(0, 3, 4)),
               *every_reduction(normal(2, 3), integers(0, 3, 2), label_smoothing=0.1),
               *every_reduction(normal(2, 3), PROBABILITIES),
               *every_reduction(normal(2, 3), PROBABILITIES, label_smoothing=0.2),
               *every_reduction(normal(2, 3, 4), integers(0, 3, 2, 4)),
               row(normal(2, 3, 2, 2), integers(0, 3, 2, 2, 2), label_smoothing=0.3),
               row(normal(2, 3, 4), between(0, 1, 2, 3, 4)),
               row(normal(2, 1), integers(0, 1, 2)), row(normal(1, 3), integers(0, 3, 1)),
               row(values([[1000.0, 0.0], [-1000.0, 0.0]]), values([1, 0], np.int64)),
               row(normal(0, 3), integers(0, 3, 0), reduction="sum"),
               row(normal(0, 3), integers(0, 3, 0), noisy=True, kink=True),
               row(turned(normal(4, 3)), integers(0, 3, 4)),
               row(spaced(normal(4, 3)), spaced(integers(0, 3, 4))),
               *every_reduction(between(-200, 200, 300, 70), integers(0, 70, 300), large=True),
               row(wide(normal(4, 3)), integers(0, 3, 4)),
               numpy=expected_cross_entropy, torch=loss("cross_entropy")),
    *operation("binary_cross_entropy", row(between(0.1, 0.9, 4, 3), between(0, 1, 4, 3)),
               *every_reduction(between(0.1, 0.9, 4), between(0, 1, 4)),
               row(between(0.1, 0.9), between(0, 1)),
               row(values([0.0, 1.0, 0.0, 1.0]), values([0, 1, 1, 0], np.int64), kink=True,
                   reduction="none"),
               row(turned(between(0.1, 0.9, 3, 4)), between(0, 1, 3, 4)),
               row(between(0.1, 0.9, 0), between(0, 1, 0), reduction="sum"),
               row(wide(between(0.1, 0.9, 3)), wide(between(0, 1, 3))),
               numpy=expected_bce, torch=loss_of_numbers("binary_cross_entropy")),
    *operation("binary_cross_entropy_with_logits", row(normal(4, 3), between(0, 1, 4, 3)),
               *every_reduction(normal(4), between(0, 1, 4)), row(normal(), between(0, 1)),
               row(values([100.0, -100.0, 1000.0]), values([0.0, 1.0, 1.0])),
               row(turned(normal(3, 4)), between(0, 1, 3, 4)),
               row(normal(0), between(0, 1, 0), reduction="sum"),
               row(wide(normal(3)), wide(between(0, 1, 3))),
               numpy=expected_bce_with_logits,
               torch=loss_of_numbers("binary_cross_entropy_with_logits")),
]  # fmt: skip

CASES = PRODUCTS + LOSSES
