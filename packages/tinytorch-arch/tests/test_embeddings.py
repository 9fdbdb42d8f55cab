"""Module 11: vectors for tokens and for places. Operations are in cases_embeddings.py."""

from __future__ import annotations

import doctest
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinytorch
from tinytorch import Tensor
from tinytorch.arch import embeddings
from tinytorch.arch.embeddings import (
    Embedding,
    PositionalEncoding,
    embedding,
    rotary,
    sinusoids,
)
from tinytorch.core.context import no_grad, use
from tinytorch.core.errors import ShapeError
from tinytorch.core.primitive import KERNELS
from tinytorch.optim import SGD


def test_the_examples_in_the_documentation_are_true():
    result = doctest.testmod(embeddings)
    assert result.attempted
    assert not result.failed


# embedding
def test_an_index_that_repeats_receives_all_its_gradients():
    weight = Tensor(np.zeros((4, 2)), requires_grad=True)
    g = np.array([[1, 10], [2, 20], [4, 40], [8, 80]], np.float32)
    embedding(Tensor([1, 3, 1, 1]), weight).backward(g)
    assert weight.grad.tolist() == [[0, 0], [13, 130], [0, 0], [2, 20]]


@settings(deadline=None)
@given(
    vocabulary=st.integers(1, 30),
    d=st.integers(0, 9),
    shape=st.lists(st.integers(0, 6), max_size=3),
    dtype=st.sampled_from([np.float32, np.float64, np.float16]),
    kind=st.sampled_from([np.int64, np.int32, np.uint8]),
    padding=st.booleans(),
    seed=st.integers(0, 99),
)
def test_the_fast_form_gives_the_values_and_gradients_of_the_plain_one(
    vocabulary, d, shape, dtype, kind, padding, seed
):
    rng = np.random.default_rng(seed)
    indices = Tensor(rng.integers(0, vocabulary, shape).astype(kind))
    data = rng.integers(-8, 9, (vocabulary, d)).astype(dtype)  # sums of these are exact
    g = rng.integers(-8, 9, (*shape, d)).astype(dtype)
    padding_idx = int(rng.integers(vocabulary)) if padding else None
    answers = []
    for kernels in ("plain", "fast"):
        weight = Tensor(data, dtype, requires_grad=True)
        with use(kernels):
            out = embedding(indices, weight, padding_idx=padding_idx)
            out.backward(g)
        assert (out.node.kernel is not None) == (kernels == "fast" and indices.size > 0)
        answers.append((out.data, weight.grad))
    for plain, fast in zip(*answers, strict=True):
        np.testing.assert_array_equal(fast, plain)
        assert fast.dtype == plain.dtype == dtype


def test_the_fast_form_is_attached():
    assert KERNELS["embedding"].keys() == {"fast"}


@pytest.mark.parametrize("kernels", ["plain", "fast"])
def test_what_is_no_index_is_refused(kernels):
    weight = Tensor(np.zeros((5, 2)))
    with use(kernels):
        for wrong in (Tensor([1.0]), [0.5], Tensor([True, False])):
            with pytest.raises(TypeError, match=r"indices are integers, not (float32|bool)"):
                embedding(wrong, weight)
        for wrong in (5, -1, 99):
            with pytest.raises(IndexError, match=rf"index {wrong}, .* 5 tokens, 0 to 4\. .*"):
                embedding(Tensor([[0, wrong]]), weight)
        with pytest.raises(ShapeError, match=r"\(vocabulary, d\), not \(5, 2, 1\)"):
            embedding(Tensor([1]), weight.reshape(5, 2, 1))


# Embedding
def test_an_embedding_gives_a_vector_for_each_token_in_any_shape():
    layer = Embedding(10, 4, rng=np.random.default_rng(0))
    for shape in [(), (3,), (2, 3), (0,), (2, 0, 3)]:
        indices = np.random.default_rng(1).integers(0, 10, shape)
        out = layer(Tensor(indices))
        assert out.shape == (*shape, 4)
        np.testing.assert_array_equal(out.data, layer.weight.data[indices])


def test_it_starts_as_in_pytorch_normal_with_deviation_1():
    layer = Embedding(1000, 50, rng=np.random.default_rng(0))
    assert layer.weight.data.mean() == pytest.approx(0, abs=0.02)
    assert layer.weight.data.std() == pytest.approx(1, abs=0.02)
    assert layer.weight.dtype == np.float32
    assert list(layer.state_dict()) == ["weight"]


def test_a_seed_decides_how_it_starts():
    tinytorch.manual_seed(3)
    first = Embedding(4, 3).weight.data
    tinytorch.manual_seed(3)
    np.testing.assert_array_equal(Embedding(4, 3).weight.data, first)


def test_a_generator_that_is_handed_over_is_the_one_that_is_used():
    for make in (Embedding, lambda *n, rng: PositionalEncoding(*n, kind="learned", rng=rng)):
        first, same, other = (make(4, 3, rng=np.random.default_rng(seed)) for seed in (1, 1, 2))
        np.testing.assert_array_equal(first.weight.data, same.weight.data)
        assert (first.weight.data != other.weight.data).all()


def test_a_step_of_training_moves_the_rows_that_were_taken_and_no_other():
    layer = Embedding(6, 3, padding_idx=0, rng=np.random.default_rng(0))
    before = layer.weight.data.copy()
    layer(Tensor([[0, 2, 2], [5, 0, 2]])).sum().backward()
    SGD(layer.parameters(), lr=1.0).step()
    moved = before - layer.weight.data
    np.testing.assert_allclose(moved[:, 0], [0, 0, 3, 0, 0, 1], rtol=1e-6)


@pytest.mark.parametrize("padding_idx", [0, 2, -1, -5])
def test_the_padding_row_is_zero_and_gets_no_gradient(padding_idx):
    layer = Embedding(5, 3, padding_idx=padding_idx, rng=np.random.default_rng(0))
    row = padding_idx % 5
    assert not layer.weight.data[row].any()
    assert layer.weight.data.any(axis=1).sum() == 4
    layer(Tensor([0, 1, 2, 3, 4])).sum().backward()
    assert layer.weight.grad.sum(axis=1).tolist() == [0 if i == row else 3 for i in range(5)]
    assert repr(layer) == f"Embedding(5, 3, padding_idx={row})"


def test_the_smallest_embedding_and_the_smallest_positions_work():
    x = Embedding(1, 1)(Tensor([[0]]))
    assert PositionalEncoding(1, 1)(x).shape == (1, 1, 1)
    np.testing.assert_array_equal(PositionalEncoding(1, 1)(x).data, x.data)  # sin(0)


def test_sizes_and_padding_that_cannot_be_are_refused():
    for sizes in [(0, 3), (3, 0), (-1, 2)]:
        with pytest.raises(ValueError, match=r"Embedding: \w+=-?\d+: sizes must be at least 1"):
            Embedding(*sizes)
    for padding_idx in (5, -6):
        with pytest.raises(ValueError, match=f"padding_idx {padding_idx} is none of the 5 tokens"):
            Embedding(5, 2, padding_idx=padding_idx)


# Positions
def test_the_waves_are_those_of_the_formula():
    table = sinusoids(7, 6)
    for place in range(7):
        for i in range(3):
            angle = place / 10_000 ** (2 * i / 6)
            assert table[place, 2 * i] == pytest.approx(math.sin(angle), abs=1e-6)
            assert table[place, 2 * i + 1] == pytest.approx(math.cos(angle), abs=1e-6)


@pytest.mark.parametrize("d_model", [1, 2, 5, 7])
def test_an_odd_width_ends_with_a_sine(d_model):
    table = sinusoids(4, d_model)
    assert table.shape == (4, d_model)
    assert table.dtype == np.float32
    last = (d_model - 1) // 2 * 2
    np.testing.assert_allclose(
        table[:, last], np.sin(np.arange(4) * 10_000.0 ** (-last / d_model)), rtol=1e-6
    )


def test_places_far_out_are_as_exact_as_near_ones():
    table = sinusoids(100_001, 4)
    assert table[100_000, 0] == pytest.approx(math.sin(100_000), abs=1e-7)


def test_each_of_many_places_has_waves_of_its_own():
    table = sinusoids(2000, 16)
    assert len(np.unique(table.round(5), axis=0)) == 2000


@pytest.mark.parametrize("kind", ["sinusoidal", "learned"])
def test_places_are_added_to_each_sequence_of_a_batch(kind):
    layer = PositionalEncoding(6, max_len=9, kind=kind, rng=np.random.default_rng(0))
    table = layer.weight.data if kind == "learned" else sinusoids(9, 6)
    x = np.random.default_rng(1).standard_normal((2, 3, 4, 6)).astype(np.float32)
    np.testing.assert_allclose(layer(Tensor(x)).data, x + table[:4], rtol=1e-6)
    np.testing.assert_allclose(layer(Tensor(x), start=5).data, x + table[5:9], rtol=1e-6)
    assert layer(Tensor(x[:, :, :0])).shape == (2, 3, 0, 6)


def test_learned_places_are_trained_and_saved_and_waves_are_neither():
    learned = PositionalEncoding(4, 5, kind="learned", rng=np.random.default_rng(0))
    assert [name for name, _ in learned.named_parameters()] == ["weight"]
    assert learned.weight.data.std() == pytest.approx(0.02, rel=0.5)
    learned(Tensor(np.zeros((3, 2, 4)))).sum().backward()
    assert learned.weight.grad.tolist() == [[3] * 4] * 2 + [[0] * 4] * 3
    waves = PositionalEncoding(4, 5)
    assert waves.state_dict() == {}
    assert waves.parameters() == []
    x = Tensor(np.zeros((2, 4)), requires_grad=True)
    waves(x).sum().backward()
    assert x.grad.tolist() == [[1] * 4] * 2


@pytest.mark.parametrize("kind", ["sinusoidal", "learned"])
def test_a_sequence_that_is_too_long_is_refused_with_both_lengths(kind):
    layer = PositionalEncoding(4, max_len=5, kind=kind)
    with pytest.raises(ShapeError, match="places 0 to 5, but max_len is 5: cut"):
        layer(Tensor(np.zeros((1, 6, 4))))
    with pytest.raises(ShapeError, match="places 3 to 5, but max_len is 5"):
        layer(Tensor(np.zeros((3, 4))), start=3)
    with pytest.raises(ShapeError, match="places -1 to"):
        layer(Tensor(np.zeros((3, 4))), start=-1)


def test_vectors_of_another_width_are_refused():
    for shape in [(2, 3), (4,), ()]:
        with pytest.raises(ShapeError, match=r"x is \(\.\.\., T, 4\), not "):
            PositionalEncoding(4, 5)(Tensor(np.zeros(shape)))


def test_places_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="PositionalEncoding: d_model=0: sizes"):
        PositionalEncoding(0, 5)
    with pytest.raises(ValueError, match="PositionalEncoding: max_len=0: sizes"):
        PositionalEncoding(5, 0)
    with pytest.raises(ValueError, match=r"kind is .* not 'rotary'"):
        PositionalEncoding(4, 5, kind="rotary")


def test_a_layer_says_what_it_is():
    assert repr(Embedding(5, 3)) == "Embedding(5, 3)"
    expected = "PositionalEncoding(4, max_len=9, kind='sinusoidal')"
    assert repr(PositionalEncoding(4, max_len=9)) == expected


# Rotary positions
@settings(deadline=None)
@given(st.integers(0, 50), st.integers(0, 50), st.integers(0, 1000), st.integers(0, 99))
def test_products_of_turned_vectors_depend_on_the_distance_only(m, n, shift, seed):
    rng = np.random.default_rng(seed)
    q, k = (Tensor(rng.standard_normal((1, 8)), np.float64) for _ in range(2))
    here = (rotary(q, start=m) * rotary(k, start=n)).sum().item()
    there = (rotary(q, start=m + shift) * rotary(k, start=n + shift)).sum().item()
    assert here == pytest.approx(there, abs=1e-9)


def test_the_first_place_is_not_turned_and_no_length_changes():
    x = Tensor(np.random.default_rng(0).standard_normal((2, 5, 6)))
    turned = rotary(x)
    np.testing.assert_array_equal(turned.data[:, 0], x.data[:, 0])
    lengths = [np.linalg.norm(a.reshape(2, 5, 3, 2), axis=-1) for a in (x.data, turned.data)]
    np.testing.assert_allclose(*lengths, rtol=1e-5)


def test_each_place_turns_the_first_pair_by_one_radian_and_the_next_by_less():
    x = Tensor([[1.0, 0.0, 1.0, 0.0]] * 3)
    turned = rotary(x, base=4.0).data  # the second pair: 4^(-2/4), half a radian
    expected = [[math.cos(t), math.sin(t), math.cos(t / 2), math.sin(t / 2)] for t in range(3)]
    np.testing.assert_allclose(turned, expected, rtol=1e-6)


def test_what_cannot_be_turned_is_refused():
    for shape in [(3, 5), (4,)]:
        with pytest.raises(ShapeError, match="even d, not"):
            rotary(Tensor(np.zeros(shape)))
    with pytest.raises(TypeError, match="floating point, not int64"):
        rotary(Tensor([[1, 2]]))


def test_half_precision_stays_half_precision():
    x = np.random.default_rng(0).standard_normal((3, 4)).astype(np.float16)
    turned = rotary(Tensor(x, np.float16))
    assert turned.dtype == np.float16
    np.testing.assert_allclose(turned.data, rotary(Tensor(x, np.float32)).data, atol=2e-3)


def test_later_calls_are_not_touched_by_what_is_done_to_a_result():
    x = Tensor(np.ones((3, 4)))
    with no_grad():
        first = rotary(x)
        before = first.data.copy()
        first.data[...] = 0
        np.testing.assert_array_equal(rotary(x).data, before)


# PyTorch
@pytest.mark.oracle
@pytest.mark.parametrize("padding_idx", [None, 2, -1])
def test_pytorchs_weights_load_by_name_and_train_alike(padding_idx):
    import torch

    theirs = torch.nn.Embedding(7, 5, padding_idx=padding_idx)
    ours = Embedding(7, 5, padding_idx=padding_idx)
    ours.load_state_dict({name: x.numpy() for name, x in theirs.state_dict().items()})
    indices = np.random.default_rng(0).integers(0, 7, (3, 4))
    g = np.random.default_rng(1).standard_normal((3, 4, 5)).astype(np.float32)
    out, wanted = ours(Tensor(indices)), theirs(torch.tensor(indices))
    np.testing.assert_array_equal(out.data, wanted.detach().numpy())
    out.backward(g)
    wanted.backward(torch.tensor(g))
    np.testing.assert_allclose(ours.weight.grad, theirs.weight.grad.numpy(), rtol=1e-6, atol=1e-7)
    back: Any = theirs.load_state_dict(
        {name: torch.tensor(x) for name, x in ours.state_dict().items()}
    )
    assert not back.missing_keys
    assert not back.unexpected_keys


@pytest.mark.oracle
def test_the_waves_are_those_of_pytorchs_tutorial():
    import torch  # "Language Modeling with nn.Transformer", class PositionalEncoding

    d_model, max_len = 8, 30
    position = torch.arange(max_len).unsqueeze(1)
    div_term = torch.exp(torch.arange(0, d_model, 2) * (-math.log(10000.0) / d_model))
    pe = torch.zeros(max_len, d_model)
    pe[:, 0::2] = torch.sin(position * div_term)
    pe[:, 1::2] = torch.cos(position * div_term)
    np.testing.assert_allclose(sinusoids(max_len, d_model), pe.numpy(), atol=1e-5)
