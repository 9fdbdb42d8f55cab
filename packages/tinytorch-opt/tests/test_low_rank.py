"""Module 16: two thin layers are as near to one as their rank allows, and only where that saves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinytorch import Tensor
from tinytorch.arch.models import CharGPT, LeNet5, multiply_adds
from tinytorch.nn import Conv2d, Linear, Module, ReLU, Sequential
from tinytorch.opt.low_rank import (
    LowRank,
    factorized,
    halves,
    low_rank,
    matrix_of,
    rank_for,
    rank_within,
    worthwhile,
)


def linear(n: int = 40, m: int = 30, seed: int = 0) -> Linear:
    return Linear(n, m, rng=np.random.default_rng(seed))


@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 12), st.integers(0, 99))
@settings(deadline=None)
def test_what_is_lost_are_the_other_singular_values(n: int, m: int, rank: int, seed: int) -> None:
    weight = np.random.default_rng(seed).standard_normal((n, m))
    rank = min(rank, n, m)
    first, second = halves(weight, rank)
    assert (first.shape, second.shape) == ((n, rank), (rank, m))
    values = np.sqrt(np.maximum(np.linalg.eigvalsh(weight.T @ weight)[::-1], 0))  # not by svd
    lost = np.sqrt((values[rank:] ** 2).sum())
    assert np.linalg.norm(weight - first @ second) == pytest.approx(lost, abs=1e-6)


def test_no_other_matrix_of_that_rank_is_nearer() -> None:
    rng = np.random.default_rng(0)
    weight = rng.standard_normal((8, 6))
    first, second = halves(weight, 2)
    best = np.linalg.norm(weight - first @ second)
    for _ in range(100):
        other = first + 0.05 * rng.standard_normal(first.shape)
        assert np.linalg.norm(weight - other @ second) >= best


@pytest.mark.parametrize(
    "layer",
    [
        linear(6, 5),
        Linear(6, 5, bias=False, rng=np.random.default_rng(1)),
        Conv2d(3, 5, (3, 2), stride=2, padding=1, rng=np.random.default_rng(2)),
        Conv2d(3, 5, 3, padding="same", dilation=2, bias=False, rng=np.random.default_rng(3)),
    ],
)
def test_at_full_rank_two_layers_compute_what_one_does(layer: Any) -> None:
    shape = (4, 3, 7, 7) if isinstance(layer, Conv2d) else (4, 6)
    x = Tensor(np.random.default_rng(0).standard_normal(shape, np.float32))
    two = factorized(layer, min(matrix_of(layer).shape))
    np.testing.assert_allclose(two(x).data, layer(x).data, atol=1e-5)
    np.testing.assert_allclose(two.weight.data, layer.weight.data, atol=1e-6)


def test_energy_counts_squares() -> None:
    weight = np.diag([2.0, 1.0, 1.0, 0.0])  # squares 4, 1, 1, 0
    assert [rank_for(weight, e) for e in (0.1, 4 / 6, 0.7, 5 / 6, 0.9, 1.0)] == [1, 1, 2, 2, 3, 3]


def test_a_rank_within_a_share_takes_no_more() -> None:
    weight = np.zeros((400, 120))
    rank = rank_within(weight, 0.25)
    assert rank * 520 <= 0.25 * 48_000 < (rank + 1) * 520
    assert worthwhile(weight) * 520 >= 48_000 > (worthwhile(weight) - 1) * 520


def test_layers_are_exchanged_only_where_that_saves() -> None:
    model = Sequential(linear(40, 30), ReLU(), linear(30, 2))
    small = low_rank(model, share=0.5)
    assert isinstance(small[0], LowRank)
    assert small[0].thin.weight.shape == (40, 8)  # 8 * 70 of 1200 numbers
    assert isinstance(small[2], Linear)  # rank 1 would take 32 of 60, more than half
    assert isinstance(low_rank(model, share=0.6)[2], LowRank)
    same = low_rank(model, energy=1.0)
    assert isinstance(same[0], Linear)
    np.testing.assert_array_equal(same[0].weight.data, model[0].weight.data)
    assert same[0].weight is not model[0].weight
    assert not np.shares_memory(small[0].wide.bias.data, model[0].bias.data)
    assert isinstance(model[0], Linear)


def test_parameters_and_products_shrink_as_counted_by_hand() -> None:
    small = low_rank(LeNet5(rng=np.random.default_rng(0)), share=0.25, layers=["7", "3"])
    # 7: rank 23 of (400, 120); 3: rank 3 of (150, 16)
    assert small.num_parameters() == 61_706 - 48_000 + 23 * 520 - 2_400 + 3 * 166
    fewer = 48_000 - 23 * 520 + 100 * (2_400 - 3 * 166)
    assert multiply_adds(small, 1, 28, 28) == 416_520 - fewer


def test_an_attention_that_looks_at_its_weights_still_works() -> None:
    model = CharGPT(rng=np.random.default_rng(0))
    tokens = np.random.default_rng(0).integers(0, 65, (1, 8))
    small = low_rank(model, share=0.5)
    assert isinstance(small.blocks[0].attention.query, LowRank)
    assert small(tokens).shape == (1, 8, 65)
    nearly = factorized(model.blocks[0].attention.query, 127)
    lost = np.abs(nearly.weight.data - model.blocks[0].attention.query.weight.data).max()
    assert 0 < lost < 1e-3


def test_frozen_layers_stay_frozen_and_others_learn() -> None:
    layer = linear(6, 6)
    assert all(p.requires_grad for p in factorized(layer, 2).parameters())
    layer.requires_grad_(False)
    assert not any(p.requires_grad for p in factorized(layer, 2).parameters())


@pytest.mark.parametrize("given", [{}, {"energy": 0.5, "share": 0.5}, {"energy": 0}, {"share": 2}])
def test_one_measure_between_0_and_1_is_needed(given: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"one of the two is needed, above 0, up to 1"):
        low_rank(LeNet5(), **given)


def test_what_is_no_such_layer_is_refused() -> None:
    with pytest.raises(KeyError, match="no module 'first'"):
        low_rank(LeNet5(), share=0.5, layers=["first"])
    grouped: Module = Sequential(Conv2d(4, 4, 3, groups=4))
    with pytest.raises(ValueError, match="is not of low rank here"):
        low_rank(grouped, share=0.5, layers=["0"])
    assert isinstance(low_rank(grouped, share=0.5)[0], Conv2d)  # type: ignore[index]
