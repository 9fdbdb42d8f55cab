"""Cases of attention."""

from __future__ import annotations

from typing import Any

import numpy as np
from operation_helper import (
    Case,
    between,
    booleans,
    normal,
    operation,
    row,
    spaced,
    stretched,
    turned,
    values,
    wide,
)


def visible(queries: int, keys: int, mask: Any, is_causal: bool) -> Any:
    """Who may look at whom, entry by entry."""
    if not is_causal:
        return np.True_ if mask is None else mask
    later = np.array([[j > i + keys - queries for j in range(keys)] for i in range(queries)])
    return ~later if mask is None else mask & ~later


def expected_attention(
    q: Any, k: Any, v: Any, mask: Any = None, is_causal: bool = False, scale: Any = None
) -> Any:
    """Composed: products by einsum, shares as exp(score - log(sum(exp)))."""
    scale = q.shape[-1] ** -0.5 if scale is None else scale
    scores = np.einsum("...td,...sd->...ts", q, k) * scale
    may = np.broadcast_to(visible(q.shape[-2], k.shape[-2], mask, is_causal), scores.shape)
    with np.errstate(divide="ignore", invalid="ignore"):
        hidden = np.where(may, scores, -np.inf)
        log_total = np.logaddexp.reduce(hidden, axis=-1, keepdims=True, initial=-np.inf)
        shares = np.where(may, np.exp(hidden - log_total), 0)
    return np.einsum("...ts,...se->...te", shares, v)


def torch_attention(
    t: Any, q: Any, k: Any, v: Any, mask: Any = None, is_causal: bool = False, scale: Any = None
) -> Any:
    """PyTorch's function. It knows no mask beside is_causal, and takes queries for the first."""
    mask = None if mask is None else mask.numpy()
    may = visible(q.shape[-2], k.shape[-2], mask, is_causal)
    may = t.tensor(np.broadcast_to(may, np.broadcast_shapes(np.shape(may), (q.shape[-2], 1))))
    return t.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=may, scale=scale)


NOWHERE = values([[True, False, True], [False, False, False]], np.bool_)

CASES: list[Case] = operation(
    "scaled_dot_product_attention",
    row(normal(2, 3), normal(4, 3), normal(4, 5)),
    row(normal(2, 3), normal(2, 3), normal(2, 3), is_causal=True),
    row(normal(2, 3), normal(4, 3), normal(4, 2), booleans(2, 4), scale=1.5),
    row(normal(2, 3), normal(3, 3), normal(3, 2), NOWHERE),
    row(normal(1, 1), normal(1, 1), normal(1, 1)),
    row(normal(4, 2, 3), normal(4, 3, 3), normal(4, 3, 2), is_causal=True),
    row(normal(2, 1, 2, 3), normal(3, 4, 3), normal(1, 4, 2), booleans(4)),
    row(normal(0, 3), normal(2, 3), normal(2, 3)),
    # four axes: the fast form
    row(normal(2, 3, 4, 5), normal(2, 3, 4, 5), normal(2, 3, 4, 5)),
    row(normal(2, 3, 4, 5), normal(2, 3, 4, 5), normal(2, 3, 4, 5), is_causal=True),
    row(normal(2, 1, 2, 3), normal(2, 1, 4, 3), normal(2, 1, 4, 5), is_causal=True, scale=-0.5),
    row(normal(1, 2, 2, 3), normal(1, 2, 4, 3), normal(1, 2, 4, 2), booleans(2, 4)),
    row(normal(2, 2, 2, 3), normal(2, 2, 4, 3), normal(2, 2, 4, 2), booleans(2, 1, 1, 4)),
    row(normal(2, 2, 3, 3), normal(2, 2, 3, 3), normal(2, 2, 3, 2), booleans(2, 2, 3, 3),
        is_causal=True),
    row(normal(1, 2, 2, 3), normal(1, 2, 3, 3), normal(1, 2, 3, 2), NOWHERE),
    row(normal(2, 2, 0, 3), normal(2, 2, 4, 3), normal(2, 2, 4, 2)),
    row(normal(1, 1, 1, 1), normal(1, 1, 1, 1), normal(1, 1, 1, 1)),
    # scores of some hundreds: softmax must be shifted
    row(between(-9, 9, 1, 2, 3, 4), between(-9, 9, 1, 2, 3, 4), normal(1, 2, 3, 4)),
    row(between(-9, 9, 1, 2, 2, 4), between(-9, 9, 1, 2, 3, 4), normal(1, 2, 3, 4), NOWHERE,
        is_causal=True),
    # as heads lie in memory, and stranger layouts
    row(turned(normal(2, 3, 4, 2)), turned(normal(2, 3, 4, 2)), turned(normal(2, 3, 4, 2))),
    row(spaced(normal(2, 2, 3, 3)), stretched(normal(2, 2, 3, 3)), spaced(normal(2, 2, 3, 2)),
        is_causal=True),
    # several blocks
    row(normal(2, 3, 150, 4), normal(2, 3, 150, 4), normal(2, 3, 150, 4), is_causal=True,
        large=True),
    row(normal(1, 2, 90, 4), normal(1, 2, 900, 4), normal(1, 2, 900, 3), booleans(90, 900),
        is_causal=True, large=True),
    row(between(-6, 6, 5, 2, 130, 4), between(-6, 6, 5, 2, 130, 4),
        between(-0.3, 0.3, 5, 2, 130, 4), booleans(5, 1, 1, 130), is_causal=True, large=True),
    row(wide(normal(2, 3)), wide(normal(4, 3)), wide(normal(4, 5))),
    row(wide(normal(1, 2, 2, 3)), wide(normal(1, 2, 3, 3)), wide(normal(1, 2, 3, 3)), NOWHERE),
    numpy=expected_attention,
    torch=torch_attention,
)  # fmt: skip
