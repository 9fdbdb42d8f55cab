"""What a newcomer gives wrong, and what is said: never an error of NumPy's or of Python's own.

Shapes that do not fit are tested with their operations.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinytorch.arch
from tinytorch import Tensor
from tinytorch.arch.generation import stream
from tinytorch.arch.models import LeNet5
from tinytorch.core.elsewhere import NAMES
from tinytorch.core.errors import ShapeError
from tinytorch.data import BPETokenizer, CharTokenizer
from tinytorch.nn import (
    AdaptiveAvgPool2d,
    AvgPool2d,
    BatchNorm2d,
    Conv2d,
    Embedding,
    Flatten,
    LayerNorm,
    MaxPool2d,
    MultiHeadAttention,
    PositionalEncoding,
    RMSNorm,
    Transformer,
)

GREY, COLOURED = Conv2d(1, 4, 3), Conv2d(3, 4, 3)
SHAPES: list[tuple[Any, tuple[int, ...], str]] = [
    (GREY, (100, 28, 28), "for 100 images of one channel, x.expand_dims(1)?"),
    (GREY, (1, 28, 28), "for one image, x.expand_dims(0)?"),
    (GREY, (1, 100, 28, 28), "for 100 images of one channel, x.transpose(0, 1)?"),
    (GREY, (2, 28, 28, 1), "are the channels of x last? x.permute(0, 3, 1, 2)"),
    (GREY, (2, 5, 28, 28), "with groups=1 is for 1"),
    (COLOURED, (3, 28, 28), "for one image, x.expand_dims(0)?"),
    (COLOURED, (28, 28, 3), "channels last, x.permute(2, 0, 1).expand_dims(0)?"),
    (COLOURED, (2, 28, 28, 3), "are the channels of x last? x.permute(0, 3, 1, 2)"),
    (COLOURED, (2, 28, 3, 28), "with groups=1 is for 3"),
    (MaxPool2d(2), (3, 28, 28), "for one image, x.expand_dims(0)?"),
    (LeNet5(), (2, 28, 28), "not (2, 28, 28); for 2 images of one channel, x.expand_dims(1)?"),
    (LeNet5(), (2, 1, 32, 32), "; the paper's margin of 2 is added by the first layer here"),
    (LeNet5(), (2, 784), "LeNet5: x is (N, 1, 28, 28), not (2, 784)"),
]


@pytest.mark.parametrize(("layer", "shape", "said"), SHAPES)
def test_images_with_an_axis_too_few_or_elsewhere(layer: Any, shape: Any, said: str) -> None:
    with pytest.raises(ShapeError) as caught:
        layer(Tensor(np.zeros(shape, np.float32)))
    assert str(caught.value).endswith(said)


def test_what_is_said_of_images_is_what_helps() -> None:
    def zeros(*shape: int) -> Tensor:
        return Tensor(np.zeros(shape, np.float32))

    assert GREY(zeros(100, 28, 28).expand_dims(1)).shape == (100, 4, 26, 26)
    assert GREY(zeros(1, 100, 28, 28).transpose(0, 1)).shape == (100, 4, 26, 26)
    assert COLOURED(zeros(28, 28, 3).permute(2, 0, 1).expand_dims(0)).shape == (1, 4, 26, 26)
    assert COLOURED(zeros(2, 28, 28, 3).permute(0, 3, 1, 2)).shape == (2, 4, 26, 26)


ELSEWHERE: list[tuple[Callable[[], Any], str]] = [
    (lambda: MultiHeadAttention(embed_dim=8, n_heads=2), "'embed_dim'; here that is d_model"),
    (lambda: MultiHeadAttention(8, num_heads=2), "'num_heads'; here that is n_heads"),
    (lambda: MultiHeadAttention(8, 2, batch_first=True), "'batch_first'; here that is nothing:"),
    (lambda: MultiHeadAttention(16, 4)(SEQUENCE, attn_mask=None), "'attn_mask'; here that is mask"),
    (
        lambda: Transformer(vocab_size=10),
        "Transformer() has no argument 'vocab_size'; here that is",
    ),
    (lambda: LeNet5(num_classes=3), "LeNet5() has no argument 'num_classes'; here that is classes"),
    (lambda: gpt().generate([1], 2, topk=3), "'topk'; here that is top_k"),
    (lambda: gpt().generate([1], max_new_tokens=3), "'max_new_tokens'; here that is n"),
    (lambda: gpt().stream([1], 2, eos_token_id=3), "'eos_token_id'; here that is stop"),
    (lambda: Conv2d(1, 2, 3, padding_mode="reflect"), "Conv2d() has no argument 'padding_mode'"),
    (lambda: MaxPool2d(2, ceil_mode=True), "MaxPool2d() has no argument 'ceil_mode'"),
    (lambda: LayerNorm(normalized_shape=8), "'normalized_shape'; here that is features"),
    (lambda: Embedding(3, 2, device="cpu"), "Embedding() has no argument 'device'"),
    (lambda: BatchNorm2d(3, track_running_stats=False), "BatchNorm2d() has no argument 'track_"),
]


@pytest.mark.parametrize(("call", "said"), ELSEWHERE)
def test_an_argument_of_pytorch_is_told_by_its_name_here(
    call: Callable[[], Any], said: str
) -> None:
    with pytest.raises(TypeError, match=re.escape(said)):
        call()


@pytest.mark.parametrize("name", NAMES["tinytorch.arch"])
def test_what_stands_elsewhere_in_the_tier_says_where(name: str) -> None:
    statement = NAMES["tinytorch.arch"][name]
    with pytest.raises(AttributeError, match=f"no attribute '{name}'; here that is {statement}$"):
        getattr(tinytorch.arch, name)
    exec(statement)


def test_statements_that_the_front_doors_name_run() -> None:
    statements = [s for names in NAMES.values() for s in names.values() if s.startswith("from ")]
    assert len(statements) > 5
    for statement in statements:
        exec(statement)


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
    (lambda: gpt().generate([1], 5, stop=[3]), TypeError, r"stop=\[3\]: it is one token"),
    (lambda: Transformer(10, norm="rms"), TypeError, r"norm='rms': give the class, norm=LayerN"),
    (lambda: BPETokenizer("abc", 300), TypeError, r"BPETokenizer\(\)\.train\(text, vocab_size"),
    (lambda: AdaptiveAvgPool2d((1,)), ValueError, r"output_size=\(1,\): a number, or a pair"),
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


LAYERS = [
    AdaptiveAvgPool2d,
    AvgPool2d,
    BatchNorm2d,
    Conv2d,
    Embedding,
    Flatten,
    LayerNorm,
    MaxPool2d,
    MultiHeadAttention,
    PositionalEncoding,
    RMSNorm,
]


@pytest.mark.parametrize("layer", LAYERS)
def test_help_says_which_shapes_go_in_and_out(layer: type) -> None:
    forward: Any = layer.forward  # type: ignore[attr-defined]
    for text in (layer.__doc__, forward.__doc__):
        assert text is not None
        assert "see `Past`" not in text
    assert ") -> " in forward.__doc__


def test_help_of_writing_names_every_option() -> None:
    options = inspect.signature(stream).parameters
    for name in list(options)[3:]:
        assert name in (Transformer.generate.__doc__ or "")
