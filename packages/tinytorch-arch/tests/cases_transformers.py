"""Cases of normalisation."""

from __future__ import annotations

from typing import Any

import numpy as np
from operation_helper import (
    Case,
    between,
    normal,
    operation,
    row,
    spaced,
    stretched,
    turned,
    values,
    wide,
)


def expected_layer_norm(x: Any, weight: Any, bias: Any, eps: float = 1e-5) -> Any:
    """With NumPy's own variance, which divides by the number of features."""
    y = (x - x.mean(axis=-1, keepdims=True)) / np.sqrt(x.var(axis=-1, keepdims=True) + eps)
    y = y if weight is None else y * weight
    return y if bias is None else y + bias


def torch_layer_norm(t: Any, x: Any, weight: Any, bias: Any, eps: float = 1e-5) -> Any:
    return t.nn.functional.layer_norm(x, x.shape[-1:], weight, bias, eps)


def expected_rms_norm(x: Any, weight: Any, eps: float = 1e-6) -> Any:
    """The length of each row, from the root of a sum of squares."""
    length = np.linalg.norm(x, axis=-1, keepdims=True)
    y = x / np.sqrt(length**2 / x.shape[-1] + eps)
    return y if weight is None else y * weight


def torch_rms_norm(t: Any, x: Any, weight: Any, eps: float = 1e-6) -> Any:
    return t.nn.functional.rms_norm(x, x.shape[-1:], weight, eps)


CONSTANT = values([[2.0, 2.0, 2.0], [0.0, 0.0, 0.0]])  # variance 0: eps alone keeps it finite

CASES: list[Case] = [
    *operation("layer_norm", row(normal(2, 3), normal(3), normal(3)),
               row(normal(4), normal(4), normal(4)),
               row(normal(2, 3, 4), normal(4), normal(4)),
               row(normal(2, 2, 2, 3), normal(3), normal(3), eps=0.1),
               row(normal(2, 3), None, None), row(normal(2, 3), normal(3), None),
               row(normal(2, 3), None, normal(3)),
               row(normal(2, 1), normal(1), normal(1), eps=0.5),
               row(CONSTANT, normal(3), normal(3), eps=0.5),
               row(between(9, 11, 2, 8), normal(8), normal(8)),
               row(normal(0, 3), normal(3), normal(3)),
               row(turned(normal(3, 2, 4)), normal(4), spaced(normal(4))),
               row(spaced(normal(2, 3)), stretched(normal(3)), normal(3)),
               row(normal(700, 70), normal(70), normal(70), large=True),
               row(normal(30, 1200), normal(1200), None, large=True),
               row(wide(normal(2, 3)), wide(normal(3)), wide(normal(3))),
               numpy=expected_layer_norm, torch=torch_layer_norm),
    *operation("rms_norm", row(normal(2, 3), normal(3)), row(normal(4), normal(4)),
               row(normal(2, 3, 4), normal(4), eps=0.1), row(normal(2, 3), None),
               row(normal(2, 1), normal(1), eps=0.1),
               row(values([[0.0, 0.0, 0.0], [1.0, 2.0, 2.0]]), normal(3), eps=0.5),
               row(normal(0, 3), normal(3)),
               row(turned(normal(3, 2, 4)), spaced(normal(4))),
               row(spaced(normal(2, 3)), stretched(normal(3))),
               row(normal(700, 70), normal(70), large=True),
               row(normal(30, 1200), None, large=True),
               row(wide(normal(2, 3)), wide(normal(3))),
               numpy=expected_rms_norm, torch=torch_rms_norm),
]  # fmt: skip
