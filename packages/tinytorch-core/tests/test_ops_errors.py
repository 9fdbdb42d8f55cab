"""What the further operations refuse: the message says what happened, with shapes or values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tinytorch.core import ops
from tinytorch.core.errors import GradientError, ShapeError
from tinytorch.core.tensor import Tensor

X = ops.zeros(2, 3)
LIST: Any = [1.0]
NUMBER = Tensor(1.0)


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        (lambda: ops.broadcast_to(X, shape=(2, 4)), ShapeError, r"\(2, 3\) and \(2, 4\).*axis -1"),
        (lambda: ops.maximum(X, ops.zeros(4)), ShapeError, r"maximum: .*\(2, 3\) and \(4,\)"),
        (lambda: ops.where([True, False], X, X), ShapeError, r"where: .*\(2,\) and \(2, 3\)"),
        (lambda: ops.permute(X, axes=(0, 0)), ShapeError, r"\(0, 0\) for shape \(2, 3\).*2 axes"),
        (lambda: ops.permute(X, axes=(1,)), ShapeError, "each of the 2 axes once"),
        (lambda: ops.permute(NUMBER, axes=(0,)), ShapeError, "each of the 0 axes once"),
        (lambda: ops.squeeze(X, axis=0), ShapeError, r"axis 0 of shape \(2, 3\)"),
        (lambda: ops.squeeze(X, axis=2), np.exceptions.AxisError, "axis 2"),
        (lambda: ops.flatten(X, 1, 0), ShapeError, "swap them"),
        (lambda: ops.flatten(X, -1, 0), ShapeError, "swap them"),
        (lambda: ops.flatten(X, 2), ShapeError, "axes run from -2 to 1"),
        (lambda: ops.flatten(X, 0, -3), ShapeError, "axes run from -2 to 1"),
        (lambda: ops.concatenate([]), ShapeError, "shapes none"),
        (lambda: ops.concatenate([X, ops.zeros(2, 4)]), ShapeError, r"\(2, 3\), \(2, 4\).*axis 0"),
        (lambda: ops.concatenate([X, X], axis=2), np.exceptions.AxisError, "axis 2"),
        (lambda: ops.concatenate([NUMBER, NUMBER]), ShapeError, r"shapes \(\), \(\)"),
        (lambda: ops.stack([]), ShapeError, "shapes none"),
        (lambda: ops.stack([X, ops.zeros(3, 2)]), ShapeError, r"\(2, 3\) and \(3, 2\)"),
        (lambda: ops.split(X, sections=2, axis=1), ShapeError, "size 3, .* into 2 equal parts"),
        (lambda: ops.split(X, sections=0), ShapeError, "into 0 equal parts"),
        (lambda: ops.pad(X, pad_width=-1), ShapeError, "-1 for shape"),
        (lambda: ops.pad(X, pad_width=(1, 2, 3)), ShapeError, "2 such pairs"),
        (lambda: ops.pad(X, pad_width=1.5), ShapeError, "1.5"),
        (lambda: ops.repeat(NUMBER, repeats=2, axis=0), np.exceptions.AxisError, "axis 0"),
        (lambda: ops.tril(ops.zeros(3)), ShapeError, r"tril: shape \(3,\)"),
        (lambda: ops.triu(NUMBER), ShapeError, r"triu: shape \(\)"),
        (lambda: ops.clip(X), ValueError, "at least one"),
        (lambda: ops.clip(X, low=X), TypeError, "low is Tensor.*maximum"),
        (lambda: ops.clip(X, high=[1.0, 2.0]), TypeError, "high is .*minimum"),
        (lambda: ops.masked_fill(X, X, value=1), TypeError, "float32, not booleans"),
        (lambda: ops.take_along_axis(X, [[5]], axis=1), IndexError, "index 5"),
        (lambda: ops.one_hot([0, 3], num_classes=3), IndexError, "0 to 3.* 3 classes"),
        (lambda: ops.one_hot([-1], num_classes=3), IndexError, "-1 to -1"),
        (lambda: ops.one_hot([0.5], num_classes=3), TypeError, "integers, not float"),
        (lambda: ops.topk(X, 4), ShapeError, r"k is 4, .* has 3 elements"),
        (lambda: ops.topk(X, -1), ShapeError, "k is -1"),
        (lambda: ops.astype(X, complex), TypeError, "complex128"),
        (lambda: ops.from_numpy(LIST), TypeError, "got list"),
        (lambda: ops.from_numpy(np.array(["a"])), TypeError, "ndarray of <U1"),
        (lambda: ops.zeros(2, dtype=np.int64, requires_grad=True), GradientError, "int64"),
        (lambda: ops.einsum("ii->i", ops.eye(3)), ValueError, "'ii' .* twice"),
        (lambda: ops.einsum("ij,jk", X), ShapeError, "names 2 operands, but 1"),
        (lambda: ops.einsum("ij", X, X), ShapeError, "names 1 operands, but 2"),
        (lambda: ops.einsum("i", X), ShapeError, r"names 1 axes, .*shape \(2, 3\)"),
        (lambda: ops.einsum("ijk", X), ShapeError, r"names 3 axes, .*shape \(2, 3\)"),
        (lambda: ops.einsum("ijk...", X), ShapeError, "names 3 axes"),
        (lambda: ops.einsum("ij,jk", X, X), ShapeError, "'j' .* sizes 3 and 2 .* transpose"),
        (lambda: ops.einsum("ij->ijk", X), ValueError, "one that no operand has"),
        (lambda: ops.einsum("ij->ii", X), ValueError, "names an axis twice"),
        (lambda: ops.einsum("i1->i", X), ValueError, "named by letters"),
    ],
)  # fmt: skip
def test_wrong_use_is_explained(
    wrong: Callable[[], Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=f"(?s){message}"):
        wrong()


def test_what_has_no_gradient_says_so_in_backward() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    for out in (x > 1, x == x, ops.argmax(x), ops.isnan(x), ops.astype(x, int), ops.any(x)):
        assert not out.requires_grad
        assert out.node is None
        with pytest.raises(GradientError, match="comparison"):
            out.backward(np.ones(out.shape))
