"""Module 18: a cache of keys and values changes what is computed, and nothing of what comes out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinytorch import Tensor
from tinytorch.arch.models import LeNet5
from tinytorch.arch.transformers import RMSNorm, Transformer
from tinytorch.core.context import listening, no_grad, use
from tinytorch.core.errors import GradientError, ShapeError
from tinytorch.core.measurement import peak_bytes
from tinytorch.core.primitive import Event
from tinytorch.opt.memoization import (
    FIRST,
    Caches,
    KVCache,
    cache_bytes,
    caches_for,
    compare_decoding,
)


def tiny(seed: int = 0, **changes: Any) -> Transformer:
    """A model whose weights are large enough to tell texts apart."""
    rng = np.random.default_rng(seed)
    sizes = {"vocab": 11, "d_model": 8, "n_heads": 2, "n_layers": 2, "context": 40}
    model = Transformer(**(sizes | changes), rng=rng)
    for parameter in model.parameters():
        parameter.data += 0.3 * rng.standard_normal(parameter.shape, np.float32)
    return model


def tokens(*shape: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 11, shape)


def keys(batch: int = 1, heads: int = 2, positions: int = 1, features: int = 4) -> Tensor:
    shape = (batch, heads, positions, features)
    return Tensor(np.random.default_rng(2).standard_normal(shape, np.float32))


# The same numbers
@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    batch=st.integers(1, 3),
    pieces=st.lists(st.integers(1, 9), min_size=1, max_size=4),
    layers=st.integers(1, 3),
    growing=st.booleans(),
    kernels=st.sampled_from(["plain", "fast"]),
)
def test_logits_are_those_of_reading_everything_again(
    seed: int, batch: int, pieces: list[int], layers: int, growing: bool, kernels: str
) -> None:
    model = tiny(seed % 1000, n_layers=layers)
    x = tokens(batch, sum(pieces), seed=seed)
    past: Any = caches_for(model)
    if growing:
        past = [KVCache() for _ in model.blocks]
    parts, at = [], 0
    with no_grad(), use(kernels):
        for length in pieces:
            parts.append(model(x[:, at : at + length], past=past).data)
            at += length
        whole = model(x).data
    np.testing.assert_allclose(np.concatenate(parts, axis=1), whole, 0, 1e-5 * np.abs(whole).max())


@pytest.mark.parametrize("length", [1, 2, 7, 20])
@pytest.mark.parametrize("how", [{"temperature": 0}, {"seed": 5}])
@pytest.mark.parametrize("changes", [{"tied": False}, {"norm": RMSNorm}])
def test_the_same_text_is_written_greedily_and_drawn(
    length: int, how: dict[str, Any], changes: dict[str, Any]
) -> None:
    model = tiny(3, **changes)
    prompt = tokens(length)
    past = caches_for(model)
    with_cache = model.generate(prompt, 20, past=past, **how)
    assert with_cache.tolist() == model.generate(prompt, 20, **how).tolist()
    if "seed" in how:
        assert len(set(with_cache[length:].tolist())) > 3  # it could have come out otherwise
    assert past.length == length + 19  # the last token was not read


def test_a_cache_that_holds_another_text_is_refused_at_the_first_token_that_differs() -> None:
    model = tiny()
    past = caches_for(model)
    text = model.generate([1, 2, 3], 10, temperature=0, past=past).tolist()
    other = [*text[:2], (text[2] + 1) % 11, *text[3:], 4, 5]  # longer, and another token at 2
    told = rf"another text: position 2 was token 3 .* is {other[2]} in this one: past\.reset\(\)"
    with pytest.raises(ValueError, match=told):
        model.generate(other, 5, temperature=0, past=past)
    assert past.length == 12  # nothing of it was read
    longer = [*text, 4]  # the text that it does hold goes on
    answer = model.generate(longer, 5, temperature=0, past=past).tolist()
    assert answer == model.generate(longer, 5, temperature=0).tolist()
    with pytest.raises(ValueError, match=r"holds 18 positions .* 3 tokens: past\.reset\(\)"):
        model.generate([1, 2, 3], 5, past=past)
    for empty, text in ((lambda: past.truncate(2), other), (past.reset, [9, *other])):
        empty()
        answer = model.generate(text, 5, temperature=0, past=past).tolist()
        assert answer == model.generate(text, 5, temperature=0).tolist()


def test_two_texts_that_are_written_in_turns_cannot_share_a_cache() -> None:
    model = tiny()
    past = caches_for(model)
    one = model.stream([1, 2], 10, temperature=0, past=past)
    two = model.stream([7, 8, 9, 10], 10, temperature=0, past=past)
    next(one)
    with pytest.raises(ValueError, match=r"another text: position 0 was token 1 .* is 7"):
        next(two)


def test_after_reset_a_cache_knows_nothing_of_what_it_held() -> None:
    model = tiny()
    past = caches_for(model)
    with no_grad():
        model(tokens(3, 17), past=past)
        past.reset()
        assert past.length == past.nbytes == 0
        x = tokens(2, 5, seed=9)  # another batch, too
        np.testing.assert_allclose(model(x, past=past).data, model(x).data, 1e-5, 1e-5)


def test_a_text_may_go_on_differently_from_where_it_was_truncated() -> None:
    model = tiny()
    past = caches_for(model)
    x = tokens(1, 12)
    with no_grad():
        model(x, past=past)
        past.truncate(5)
        np.testing.assert_allclose(
            model(x[:, 5:7] // 2, past=past).data,
            model(np.concatenate((x[:, :5], x[:, 5:7] // 2), axis=1)).data[:, 5:],
            1e-4,
            1e-5,
        )
    with pytest.raises(ValueError, match=r"truncate\(9\): 7 positions are held"):
        past.truncate(9)


# What is computed
def read_positions(model: Transformer, past: Caches | None) -> list[int]:
    """Rows that went through each projection of keys, one number a pass, while 6 tokens came."""
    keys = model.blocks[0].attention.key
    rows: list[int] = []

    def hear(event: Event) -> None:
        record = event.record
        if record.primitive.name == "linear" and record.operands[1] is keys.weight:
            rows.append(record.arrays[0].shape[1])

    with listening(hear):
        model.generate(tokens(5), 6, temperature=0, past=past)
    return rows


def test_with_a_cache_each_token_is_read_once() -> None:
    model = tiny()
    assert read_positions(model, caches_for(model)) == [5, 1, 1, 1, 1, 1]
    assert read_positions(model, None) == [5, 6, 7, 8, 9, 10]


def test_at_512_tokens_there_is_far_less_than_a_tenth_to_compute() -> None:
    """FLOPs by hand, two for each product, with d = 8, 2 blocks and 11 tokens in the vocabulary.

    A position costs 12 d d products in each block, and d of each of the 11 rows at the end; one
    that looks at S positions costs 2 d S in each block.
    """
    model = tiny(context=514)
    found = compare_decoding(model, [1, 2], 512)
    fixed = 2 * 12 * 8 * 8 + 11 * 8
    with_cache = 513 * fixed + 2 * 2 * 8 * (2 * 2 + sum(range(3, 514)))
    without = sum(t * fixed + 2 * 2 * 8 * t * t for t in range(2, 514))
    assert found.flops == (2 * with_cache, 2 * without)
    assert found.same
    assert found.less > 200
    assert "512 tokens after 2, greedily: the same text" in repr(found)


# Memory
def test_it_takes_the_bytes_of_the_formula() -> None:
    model = tiny()
    past = caches_for(model)
    with no_grad():
        model(tokens(3, 2), past=past)
    assert past.nbytes == cache_bytes(model, 40, batch=3) == 2 * 2 * 3 * 40 * 8 * 4
    assert "2 of KVCache(capacity=40: 2 positions, 7.7 kB), together 15.4 kB" in repr(past)

    cache = KVCache(10_000)
    one = keys()
    measured = peak_bytes(lambda: cache.extend(one, one))
    assert measured == pytest.approx(2 * 2 * 10_000 * 4 * 4, rel=0.01)


def test_a_cache_without_a_capacity_doubles_so_each_position_moves_about_once() -> None:
    cache = KVCache()
    one = keys()
    rooms = []
    for _ in range(300):
        seen, _ = cache.extend(one, one)
        rooms.append(cache.nbytes // (2 * 2 * 4 * 4))
    assert sorted(set(rooms)) == [FIRST, 2 * FIRST, 4 * FIRST, 8 * FIRST]
    np.testing.assert_array_equal(seen.data, np.repeat(one.data, 300, axis=2))


def test_a_token_copies_one_position_and_nothing_else() -> None:
    """What is returned is a view of the cache, not a copy of it."""
    cache = KVCache(1000)
    for _ in range(3):
        k, v = cache.extend(keys(), keys())
        assert k.data.base is cache._keys
        assert v.data.base is cache._values
    one = keys()
    assert peak_bytes(lambda: cache.extend(one, one)) < 2000


# What is refused
def test_a_full_cache_says_so() -> None:
    cache = KVCache(4)
    cache.extend(keys(positions=3), keys(positions=3))
    with pytest.raises(ShapeError, match="3 positions are held and 2 come, but its capacity is 4"):
        cache.extend(keys(positions=2), keys(positions=2))
    assert cache.length == 3  # as before
    with pytest.raises(ValueError, match=r"KVCache\(0\)"):
        KVCache(0)


def test_at_the_end_of_the_context_the_model_says_so() -> None:
    model = tiny(context=10)
    with pytest.raises(ShapeError, match=r"11 tokens, .* no vector is left for a later position"):
        model.generate(tokens(5), 8, past=caches_for(model))


@pytest.mark.parametrize(
    ("k", "message"),
    [
        (keys(batch=2), "a batch of 1, but keys of 2 come: reset"),
        (keys(heads=3), "2 heads of 4 features, float32, but 3 heads of 4"),
        (keys(features=5), "2 heads of 4 features, float32, but 2 heads of 5"),
        (Tensor(keys().data, dtype=np.float64), "float32, but 2 heads of 4, float64"),
        (keys()[0], r"keys \(2, 1, 4\) and values"),
    ],
)
def test_what_does_not_continue_what_is_held_is_refused(k: Tensor, message: str) -> None:
    cache = KVCache(4)
    cache.extend(keys(), keys())
    with pytest.raises(ShapeError, match=message):
        cache.extend(k, k)
    assert cache.length == 1


def test_gradients_through_a_cache_are_refused() -> None:
    model = tiny()
    with pytest.raises(GradientError, match=r"with tinytorch\.no_grad\(\)"):
        model(tokens(1, 3), past=caches_for(model))


def test_the_caches_of_another_model_are_refused() -> None:
    model, twin = tiny(), tiny()
    past = caches_for(model)
    with pytest.raises(ValueError, match="belongs to another model"):
        twin.generate([1, 2], 3, past=past)
    assert past.model is model
    with pytest.raises(TypeError, match="LeNet5 has no list `blocks`"):
        caches_for(LeNet5())


def test_caches_do_not_keep_their_model_alive() -> None:
    past = caches_for(tiny())
    assert past.model is None
