"""Cases of embeddings and rotary positions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from operation_helper import (
    Case,
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


def expected_embedding(indices: Any, weight: Any, padding_idx: int | None = None) -> Any:
    """Rows as sums: a matrix of ones and zeros times the weight."""
    chosen = np.equal(np.asarray(indices)[..., None], np.arange(len(weight)))
    return chosen.astype(weight.dtype) @ weight


def torch_embedding(t: Any, indices: Any, weight: Any, padding_idx: int | None = None) -> Any:
    indices = t.as_tensor(indices).long()
    return t.nn.functional.embedding(indices, weight, padding_idx=padding_idx)


def expected_rotary(x: Any, start: int = 0, base: float = 10_000.0) -> Any:
    """Point by point, with the matrix of a turn."""
    out = np.empty_like(x)
    length, d = x.shape[-2:]
    for t in range(length):
        for i in range(d // 2):
            angle = (start + t) * math.exp(-2 * i / d * math.log(base))
            turn = np.array([[math.cos(angle), -math.sin(angle)],
                             [math.sin(angle), math.cos(angle)]])  # fmt: skip
            out[..., t, 2 * i : 2 * i + 2] = x[..., t, 2 * i : 2 * i + 2] @ turn.T.astype(x.dtype)
    return out


def torch_rotary(t: Any, x: Any, start: int = 0, base: float = 10_000.0) -> Any:
    """With the complex numbers of PyTorch, made from lengths and angles."""
    length, d = x.shape[-2:]
    rates = base ** (-t.arange(0, d, 2, dtype=t.float64) / d)
    angles = t.outer(t.arange(start, start + length, dtype=t.float64), rates)
    turns = t.polar(t.ones_like(angles), angles)
    points = t.view_as_complex(x.double().reshape(*x.shape[:-1], d // 2, 2).contiguous())
    return t.view_as_real(points * turns).reshape(x.shape).to(x.dtype)


CASES: list[Case] = [
    *operation("embedding", row(integers(0, 5, 4), normal(5, 3)),
               row(integers(0, 5, 2, 4), normal(5, 3)), row(integers(0, 3, 2, 3, 4), normal(3, 2)),
               row(values([1, 1, 1, 1], np.int64), normal(3, 2)),  # one row takes it all
               row(values([4, 0, 4, 2, 0, 4], np.int64), normal(6, 3)),
               row(values(2, np.int64), normal(4, 3)), row(2, normal(4, 3)),
               row(values([], np.int64), normal(4, 3)),
               row(values(np.zeros((2, 0)), np.int64), normal(4, 3)),
               row(values([0, 0], np.int64), normal(1, 1)),
               row(values([1, 0], np.int64), normal(2, 0)),
               row(values([1, 3, 1], np.uint8), normal(4, 3)),
               row(values([1, 3, 1], np.int32), normal(4, 100)),
               row(turned(integers(0, 5, 2, 4)), turned(normal(5, 3))),
               row(spaced(integers(0, 5, 4)), spaced(normal(5, 3))),
               row(stretched(integers(0, 5, 4)), stretched(normal(5, 3))),
               row(integers(0, 5, 4), wide(normal(5, 3))),
               row(integers(0, 65, 16, 8), normal(65, 24), large=True),
               # a padding row is moved by nobody, whatever finite differences say
               row(values([0, 2, 1, 2], np.int64), normal(4, 3), padding_idx=2, kink=True),
               row(values([0, 2, 1, 2], np.int64), normal(4, 3), padding_idx=3, kink=True),
               row(values([0, 2, 1, 2], np.int64), wide(normal(4, 3)), padding_idx=0, kink=True),
               numpy=expected_embedding, torch=torch_embedding),
    *operation("rotary", row(normal(3, 4)), row(normal(2, 3, 6)), row(normal(2, 2, 3, 4)),
               row(normal(3, 4), start=5), row(normal(3, 4), base=100.0), row(normal(1, 2)),
               row(normal(2, 1, 2), start=1000, base=500.0), row(normal(0, 4)),
               row(normal(2, 0, 4)), row(turned(normal(3, 4))), row(turned(normal(2, 3, 4))),
               row(spaced(normal(3, 4))), row(stretched(normal(3, 4))),
               row(wide(normal(3, 4)), start=7), row(wide(turned(normal(2, 3, 4)))),
               numpy=expected_rotary, torch=torch_rotary),
]  # fmt: skip
