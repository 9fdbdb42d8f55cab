"""A window: the same answers as with a banded mask, in memory that does not grow."""

from __future__ import annotations

import doctest
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinytorch import Tensor
from tinytorch.arch.attention import MultiHeadAttention, scaled_dot_product_attention
from tinytorch.arch.embeddings import Embedding, rotary
from tinytorch.arch.generation import generate
from tinytorch.arch.transformers import Transformer
from tinytorch.core.context import no_grad
from tinytorch.core.errors import ShapeError
from tinytorch.core.layers import Linear, Module
from tinytorch.opt import sliding_window
from tinytorch.opt.memoization import Caches, caches_for
from tinytorch.opt.sliding_window import (
    SlidingWindowAttention,
    SlidingWindowCache,
    banded_mask,
    sliding_caches_for,
    windowed,
)


def tiny(seed: int = 0, **changes: Any) -> Transformer:
    """A model whose weights are large enough to tell texts apart."""
    rng = np.random.default_rng(seed)
    sizes = {"vocab": 11, "d_model": 8, "n_heads": 2, "n_layers": 2, "context": 64}
    model = Transformer(**(sizes | changes), rng=rng)
    for parameter in model.parameters():
        parameter.data += 0.3 * rng.standard_normal(parameter.shape, np.float32)
    return model


def normal(rng: np.random.Generator, *shape: int) -> Tensor:
    return Tensor(rng.standard_normal(shape, np.float32))


pieces = st.lists(st.integers(1, 20), min_size=1, max_size=8)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), window=st.integers(1, 12), pieces=pieces)
def test_keys_and_values_are_those_that_any_new_position_may_look_at(
    seed: int, window: int, pieces: list[int]
) -> None:
    rng = np.random.default_rng(seed)
    cache = SlidingWindowCache(window)
    everything = rng.standard_normal((2, 1, sum(pieces), 3), np.float32)
    at = 0
    for new in pieces:
        part = Tensor(everything[:, :, at : at + new])
        k, v = cache.extend_for_mask(part, Tensor(-part.data))
        first = max(0, at - (window - 1))
        np.testing.assert_array_equal(k.data, everything[:, :, first : at + new])
        np.testing.assert_array_equal(v.data, -k.data)
        at += new
        assert cache.length == at
    assert cache.nbytes == 2 * 2 * 3 * 4 * (window + max(1, window // 4))


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 999),
    window=st.integers(1, 12),
    pieces=st.lists(st.integers(1, 15), min_size=1, max_size=4),
    full=st.booleans(),
)
def test_read_in_any_pieces_the_answers_are_those_of_a_banded_mask(
    seed: int, window: int, pieces: list[int], full: bool
) -> None:
    """The independent fact: ordinary attention, all at once, with the band written as a mask."""
    rng = np.random.default_rng(seed)
    plain = MultiHeadAttention(8, 2, rng=rng)
    layer = SlidingWindowAttention(plain, window)
    x = normal(rng, 2, sum(pieces), 8)
    t = np.arange(x.shape[1])
    band = (t[:, None] - t >= 0) & (t[:, None] - t < window)
    model = windowed(tiny(), window)
    past = (caches_for(model) if full else sliding_caches_for(model))[0]
    parts, at = [], 0
    with no_grad():
        whole = plain(x, mask=band).data
        np.testing.assert_allclose(layer(x, is_causal=True).data, whole, 0, 1e-5)
        for new in pieces:
            parts.append(layer(x[:, at : at + new], is_causal=True, past=past).data)
            at += new
    np.testing.assert_allclose(np.concatenate(parts, axis=1), whole, 0, 1e-5)


@pytest.mark.parametrize("length", [1, 5, 6, 30])
def test_the_same_text_is_written_with_the_cache_and_without(length: int) -> None:
    model = windowed(tiny(tied=False), 6)
    prompt = np.random.default_rng(0).integers(0, 11, length)
    text = model.generate(prompt, 30, seed=1)
    for past in (sliding_caches_for(model), caches_for(model)):
        assert model.generate(prompt, 30, seed=1, past=past).tolist() == text.tolist()
    assert len(set(text[length:].tolist())) > 3


def test_another_text_is_noticed_where_its_keys_are_long_gone() -> None:
    model = windowed(tiny(tied=False), 6)
    past = sliding_caches_for(model)
    text = model.generate([1, 2, 3], 20, temperature=0, past=past).tolist()
    with pytest.raises(ValueError, match=r"another text: position 0 was token 1 .* is 4"):
        model.generate([4, *text[1:], 5], 3, past=past)
    past.reset()
    model.generate([1, 2, 3], 2, temperature=0, past=past)  # 4 positions: all are there
    past.truncate(2)
    answer = model.generate([1, 2, 9, 9], 3, temperature=0, past=past).tolist()
    assert answer == model.generate([1, 2, 9, 9], 3, temperature=0).tolist()


def test_a_window_changes_the_text_only_once_the_text_is_longer() -> None:
    whole, x = tiny(), np.random.default_rng(0).integers(0, 11, (1, 12))
    model = windowed(whole, 7)
    same = np.isclose(whole(x).data, model(x).data, 1e-5, 1e-5).all(axis=-1)[0]
    assert same.tolist() == [True] * 7 + [False] * 5
    assert list(model.state_dict()) == list(whole.state_dict())
    assert model.blocks[0].attention.query.weight is not whole.blocks[0].attention.query.weight


def test_learned_positions_end_with_the_context_whatever_the_window() -> None:
    model = windowed(tiny(context=20), 4)
    with pytest.raises(ShapeError, match=r"21 tokens, .* no vector is left for a later position"):
        model.generate([1, 2], 30, past=sliding_caches_for(model))


# A model that computes its positions goes on for ever
class Turning(MultiHeadAttention):
    """Attention whose queries and keys are turned by their place, and that looks back 8 places."""

    window = 8

    def forward(self, x: Tensor, past: SlidingWindowCache | None = None) -> Tensor:
        start = past.length if past else 0
        q, k = (rotary(self.heads(p, x), start=start) for p in (self.query, self.key))
        v = self.heads(self.value, x)
        if past is not None:
            k, v = past.extend_for_mask(k, v)
        mask = banded_mask(q.shape[2], k.shape[2], self.window)
        answers = scaled_dot_product_attention(q, k, v, mask)
        return self.out(answers.transpose(1, 2).reshape(x.shape))


class Block(Module):
    def __init__(self, rng: np.random.Generator) -> None:
        self.attention = Turning(8, 2, rng=rng)


class Endless(Module):
    """A model without learned positions; `context` is what is read without a cache."""

    context = 1000

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self.tokens = Embedding(11, 8, rng=rng)
        self.blocks = [Block(rng), Block(rng)]
        self.head = Linear(8, 11, rng=rng)

    def forward(self, x: Any, past: Any = None) -> Tensor:
        h = self.tokens(Tensor(x))
        for i, block in enumerate(self.blocks):
            h = h + block.attention(h, past=past[i] if past else None)
        return self.head(h)


def test_a_model_that_computes_positions_goes_on_in_constant_memory() -> None:
    model = Endless()
    past = sliding_caches_for(model)
    generate(model, [1, 2, 3], 20, seed=3, past=past)
    taken = past.nbytes
    past.reset()
    text = generate(model, [1, 2, 3], 200, seed=3, past=past)
    assert past.nbytes == taken == 2 * 2 * 8 * (8 + 2) * 4
    assert past.length == 202
    assert text.tolist() == generate(model, [1, 2, 3], 200, seed=3).tolist()
    assert len(set(text.tolist())) > 3


# What is refused, and what can be taken back
def test_attention_without_the_mask_is_not_given_more_than_each_position_may_see() -> None:
    model = tiny()
    caches = Caches(model, [SlidingWindowCache(4) for _ in model.blocks])
    with no_grad(), pytest.raises(ShapeError, match=r"5 positions come at once and 0 are kept"):
        model(np.zeros((1, 5), int), past=caches)
    x = np.random.default_rng(0).integers(0, 11, (1, 30))
    banded = windowed(model, 4)(x).data
    with no_grad():  # what fits the window, and then one by one, needs no mask
        parts = [
            model(x[:, a:b], past=caches).data
            for a, b in ((0, 4), *zip(range(4, 30), range(5, 31), strict=True))
        ]
    np.testing.assert_allclose(np.concatenate(parts, axis=1), banded, 1e-4, 1e-4)
    with pytest.raises(TypeError, match="attention of this Transformer has no window"):
        sliding_caches_for(model)


def test_positions_can_be_taken_back_until_the_window_has_moved() -> None:
    rng = np.random.default_rng(0)
    cache = SlidingWindowCache(4)
    k = normal(rng, 1, 1, 3, 2)
    cache.extend(k, k)
    cache.truncate(1)
    seen, _ = cache.extend(k[:, :, 2:], k[:, :, 2:])
    np.testing.assert_array_equal(seen.data, k.data[:, :, [0, 2]])
    for _ in range(5):
        cache.extend(k[:, :, :1], k[:, :, :1])
    with pytest.raises(ValueError, match=r"truncate\(2\): 7 positions were read"):
        cache.truncate(2)
    assert "SlidingWindowCache(4: 7 positions read" in repr(cache)
    cache.reset()
    seen, _ = cache.extend(k, k)
    np.testing.assert_array_equal(seen.data, k.data)


def test_a_window_looks_back_along_one_sequence() -> None:
    layer = SlidingWindowAttention(MultiHeadAttention(8, 2), 3)
    x = Tensor(np.zeros((1, 4, 8), np.float32))
    for wrong in ({"context": x}, {"is_causal": False}):
        with pytest.raises(ValueError, match="looks back along one sequence"):
            layer(x, **wrong)
    with pytest.raises(ValueError, match="window=0: a position sees itself"):
        SlidingWindowAttention(MultiHeadAttention(8, 2), 0)
    hidden = layer(x + np.arange(4, dtype=np.float32)[:, None], mask=np.eye(4, dtype=bool))
    alone = layer.out(layer.value(x + np.arange(4, dtype=np.float32)[:, None]))
    np.testing.assert_allclose(hidden.data, alone.data, 1e-5, 1e-6)  # each saw itself only
    assert not (layer(x[:, :1] + 1, mask=np.zeros((1, 1), bool)).data - layer.out.bias.data).any()


def test_the_examples_in_its_text_are_true() -> None:
    result = doctest.testmod(sliding_window)
    assert result.attempted
    assert not result.failed
