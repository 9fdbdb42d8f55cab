"""What a newcomer gives wrong, and what is said: never an error of NumPy's or of Python's own.

Shapes that do not fit are tested with their operations.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tinytorch import Tensor
from tinytorch.core.errors import ShapeError
from tinytorch.data import BPETokenizer, CharTokenizer
from tinytorch.nn import (
    Conv2d,
    Embedding,
    LayerNorm,
    MultiHeadAttention,
    PositionalEncoding,
    RMSNorm,
    Transformer,
)

SEQUENCE = Tensor(np.zeros((2, 5, 16), np.float32))


def gpt() -> Transformer:
    return Transformer(vocab=10, d_model=8, n_heads=2, n_layers=1, context=8)


MISTAKES: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: Conv2d("3", 8, 3), TypeError, r"Conv2d: in_channels='3' must be a whole number"),
    (lambda: Conv2d(3, 8 / 2, 3), TypeError, r"Conv2d: out_channels=4.0 must be a whole number"),
    (lambda: Conv2d(3, 0, 3), ValueError, r"Conv2d: out_channels=0: sizes must be at least 1"),
    (lambda: Embedding(10.0, 4), TypeError, r"num_embeddings=10.0 must be a whole number"),
    (lambda: PositionalEncoding(8, 0), ValueError, r"max_len=0: sizes must be at least 1"),
    (lambda: LayerNorm(8.0), TypeError, r"LayerNorm: features=8.0 must be a whole number"),
    (lambda: LayerNorm((5, 16)), TypeError, r"LayerNorm: features=\(5, 16\) must be a whole"),
    (lambda: RMSNorm(0), ValueError, r"RMSNorm: features=0: sizes must be at least 1"),
    (lambda: MultiHeadAttention(16, 0), ValueError, r"n_heads=0: sizes must be at least 1"),
    (
        lambda: MultiHeadAttention(16, 4)(SEQUENCE, mask=[[0.0] * 5] * 5),
        TypeError,
        r"the mask holds float64, not booleans.*mask == 0 or mask != 0",
    ),
    (
        lambda: MultiHeadAttention(16, 4)(SEQUENCE, SEQUENCE, SEQUENCE),  # as in PyTorch
        TypeError,
        r"the mask holds float32.*keys and values both come from the context",
    ),
    (lambda: gpt()(np.zeros((1, 0), int)), ShapeError, r"at least one, not \(1, 0\)"),
    (lambda: gpt().generate("hello", 5), TypeError, r"not text: tokenizer.encode\(text\)"),
    (lambda: gpt().generate([1], 5.0), TypeError, r"n=5.0: a number of tokens is a whole number"),
    (lambda: gpt().generate([1], 5, top_k=1.5), TypeError, r"top_k=1.5: a number of tokens"),
    (lambda: gpt().generate([1], 5, temperature="hot"), TypeError, r"temperature='hot'.*numbers"),
    (lambda: CharTokenizer("abc").encode(b"abc"), TypeError, r"a text is wanted, not bytes"),
    (lambda: BPETokenizer().train("abc", 300.5), TypeError, r"vocab_size=300.5 must be a whole"),
]


@pytest.mark.parametrize(("mistake", "kind", "said"), MISTAKES)
def test_a_mistake_is_named(mistake: Callable[[], Any], kind: type[Exception], said: str) -> None:
    with pytest.raises(kind, match=said):
        mistake()


def test_a_mask_may_be_a_list_an_array_or_a_tensor() -> None:
    attention = MultiHeadAttention(16, 4)
    x = Tensor(np.random.default_rng(0).standard_normal((2, 5, 16), dtype=np.float32))
    may = np.tri(5, dtype=bool)
    expected = attention(x, is_causal=True).data
    for mask in (may.tolist(), may, Tensor(may), np.stack([may, may]), Tensor([may, may])):
        np.testing.assert_allclose(attention(x, mask=mask).data, expected, atol=1e-6)


def test_sizes_may_be_numpys_integers() -> None:
    assert Conv2d(np.int64(3), np.int32(8), 3).weight.shape == (8, 3, 3, 3)
    assert len(gpt().generate([1], np.int64(3), top_k=np.int64(2))) == 4
