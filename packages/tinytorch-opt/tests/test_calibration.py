"""Calibration: ranges of what reached each layer, and clear words where there is none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinytorch.arch.models import LeNet5
from tinytorch.core.activations import ReLU
from tinytorch.core.context import listening
from tinytorch.core.layers import Dropout, Linear, Sequential
from tinytorch.core.tensor import Tensor
from tinytorch.data import DataLoader, TensorDataset
from tinytorch.opt.calibration import BINS, Entropy, Histogram, MinMax, Percentile, observe

OBSERVERS: list[Any] = [MinMax, lambda: Percentile(99), Entropy]
batches = st.lists(
    st.lists(st.floats(-1e5, 1e5, width=32), min_size=1, max_size=50), min_size=1, max_size=6
)


def shown(observer: Any, *parts: Any) -> Any:
    for part in parts:
        observer.observe(np.asarray(part, np.float32))
    return observer


@given(batches)
@settings(deadline=None)
def test_min_max_is_that_of_all_batches(parts: list[list[float]]) -> None:
    every = np.concatenate([np.asarray(p, np.float32) for p in parts])
    assert shown(MinMax(), *parts).range() == (every.min(), every.max())


@given(batches)
@settings(deadline=None)
def test_a_histogram_counts_every_number_once_on_its_side_however_it_grew(
    parts: list[list[float]],
) -> None:
    every = np.concatenate([np.asarray(p, np.float64) for p in parts])
    histogram = shown(Histogram(), *parts)
    assert histogram.left.sum() == np.count_nonzero(every < 0)
    assert histogram.right.sum() == np.count_nonzero(every >= 0)
    if histogram.width:
        edges = histogram.width * np.arange(BINS + 1)
        expected, _ = np.histogram(every[every >= 0], edges)
        # a number that lies on a border within rounding may be in the bin before
        assert np.abs(np.cumsum(expected) - np.cumsum(histogram.right)).max() <= len(every)
        reach = histogram.width * BINS
        assert np.abs(every).max() <= reach <= max(2 * np.abs(every).max(), reach / 2 + 1e-30) * 2


@given(batches, st.floats(60, 100))
@settings(deadline=None)
def test_percentile_keeps_at_least_its_share(parts: list[list[float]], percent: float) -> None:
    every = np.concatenate([np.asarray(p, np.float32) for p in parts])
    low, high = shown(Percentile(percent), *parts).range()
    assert min(every.min(), 0) <= low <= 0 <= high <= max(every.max(), 0)
    slack = 1e-6 * max(-low, high)
    kept = np.count_nonzero((every >= low - slack) & (every <= high + slack))
    assert kept >= np.floor(len(every) * percent / 100)


def test_percentile_leaves_out_what_is_rare() -> None:
    x = np.concatenate([np.linspace(0, 1, 9999), [1000]])
    low, high = shown(Percentile(99.9), x).range()
    assert low == 0
    assert 0.9 < high < 1.6  # a bin is 1000 / 2048 wide
    low, high = shown(Percentile(99.9), -x).range()
    assert high == 0
    assert -1.6 < low < -0.9
    assert shown(Percentile(100), x).range() == (0, 1000)


def test_batches_in_any_order_give_the_same_counts() -> None:
    rng = np.random.default_rng(0)
    parts = [rng.normal(0, 10**k, 1000) for k in range(-2, 3)]
    one = shown(Percentile(99), *parts).range()
    other = shown(Percentile(99), *parts[::-1]).range()
    np.testing.assert_allclose(one, other, rtol=2e-3)


def test_entropy_cuts_a_long_tail_and_more_of_it_the_fewer_bits_there_are() -> None:
    bell = np.random.default_rng(0).normal(0, 1, 100_000)
    observer = shown(Entropy(), np.append(bell, [60.0]))
    highs = [observer.range(bits)[1] for bits in (4, 6, 8)]
    assert highs == sorted(highs)
    assert 2 < highs[0] < highs[-1] < 6
    assert -5 < observer.range(8)[0] < -3


def test_entropy_cuts_nothing_where_all_numbers_are_as_frequent() -> None:
    uniform = np.random.default_rng(0).uniform(-1, 1, 100_000)
    low, high = shown(Entropy(), uniform).range()
    assert low < -0.98
    assert high > 0.98


def test_zeros_do_not_move_the_cut_of_entropy_as_they_are_exact_in_any_case() -> None:
    tail = np.random.default_rng(0).exponential(1, 50_000)
    without = shown(Entropy(), tail).range(6)[1]
    with_many = shown(Entropy(), np.append(tail, np.zeros(500_000))).range(6)[1]
    assert without == pytest.approx(with_many, rel=0.05)


def test_entropy_does_not_take_all_that_it_cuts_for_free() -> None:
    # one bin with half of the numbers, the other half evenly beyond: scaled up to 1, what is left
    # of a cut behind that bin would equal the original
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.uniform(0.1, 0.1004, 500_000), rng.uniform(0, 2, 500_000)])
    assert shown(Entropy(), x).range()[1] > 1.9


@pytest.mark.parametrize("make", OBSERVERS)
def test_constant_inputs_and_zeros_have_a_range(make: Any) -> None:
    for value in (0.0, 3.5, -2.0):
        low, high = shown(make(), np.full(5000, value)).range()
        assert min(low, 0) <= value * 0.999 <= max(high, 0)
        assert np.isfinite([low, high]).all()
    low, high = shown(make(), np.zeros(5000), np.ones(5000)).range()
    assert (low, high) == (0, 1)


@pytest.mark.parametrize("make", OBSERVERS)
def test_no_numbers_have_no_range(make: Any) -> None:
    with pytest.raises(ValueError, match="no number was observed"):
        shown(make(), np.zeros((0, 3))).range()


def test_too_few_numbers_for_entropy_are_refused() -> None:
    with pytest.raises(ValueError, match="2 numbers do not fill a histogram of 2048 bins"):
        shown(Entropy(), [1.0, 2.0]).range()
    assert shown(Percentile(99.9), [1.0, 2.0]).range() == (0, 2)


def test_a_share_that_is_none_is_refused() -> None:
    for percent in (50, 100.1, -1):
        with pytest.raises(ValueError, match="above 50, up to 100"):
            Percentile(percent)


# Listening
def test_each_layer_is_shown_its_own_inputs_in_evaluation_mode() -> None:
    rng = np.random.default_rng(0)
    model = Sequential(Linear(4, 8, rng=rng), ReLU(), Dropout(0.9, rng), Linear(8, 2, rng=rng))
    model.train()
    x = rng.standard_normal((16, 4), np.float32)
    found = observe(model, [x[:8], x[8:]])
    assert model.training
    assert found["0"].range() == (x.min(), x.max())
    hidden = np.maximum(x @ model.layers[0].weight.data + model.layers[0].bias.data, 0)  # type: ignore[attr-defined]
    np.testing.assert_allclose(found["3"].range(), (hidden.min(), hidden.max()), rtol=1e-6)
    assert list(found) == ["0", "3"]


def test_a_loader_serves_as_batches_and_nobody_else_stops_listening() -> None:
    x = Tensor(np.random.default_rng(0).standard_normal((10, 1, 28, 28), np.float32))
    loader = DataLoader(TensorDataset(x, Tensor(np.zeros(10, np.int64))), batch_size=4)
    heard: list[Any] = []
    with listening(heard.append):
        found = observe(LeNet5(rng=np.random.default_rng(0)), loader)
    assert list(found) == ["0", "3", "7", "9", "11"]
    assert heard


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_nan_is_reported_with_layer_and_batch(wrong: float) -> None:
    model = Sequential(Linear(2, 2), Linear(2, 2))
    good, bad = np.ones((1, 2), np.float32), np.array([[1, wrong]], np.float32)
    with pytest.raises(ValueError, match="inputs of layer '0' hold NaN or infinity in batch 2"):
        observe(model, [good, bad])


def test_one_array_in_place_of_batches_is_told_from_a_list() -> None:
    model, x = Sequential(Linear(2, 2)), np.eye(2, dtype=np.float32)
    for array in (x, Tensor(x)):
        with pytest.raises(TypeError, match=r"an array \(2, 2\) instead of a list .*\[x\]"):
            observe(model, array)
    assert list(observe(model, [x])) == ["0"]


@pytest.mark.parametrize("make", OBSERVERS)
@pytest.mark.parametrize("value", [0.0, 3.5])
def test_examples_that_are_one_constant_are_refused(make: Any, value: float) -> None:
    x = np.full((40, 2), value, np.float32)
    with pytest.raises(ValueError, match=rf"layer '0' saw no number but {value:g}: .*typical"):
        observe(Sequential(Linear(2, 2)), [x, x], make)


def test_a_constant_in_each_batch_is_enough_where_they_differ() -> None:
    zeros, ones = np.zeros((4, 2), np.float32), np.ones((4, 2), np.float32)
    assert observe(Sequential(Linear(2, 2)), [zeros, ones])["0"].range() == (0, 1)


def test_an_inner_layer_that_saw_only_zeros_is_named_in_a_warning() -> None:
    model = Sequential(Linear(2, 3), ReLU(), Linear(3, 2))
    model[0].bias.data[...] = -1e3  # type: ignore[union-attr]
    x = np.eye(2, dtype=np.float32)
    with pytest.warns(UserWarning, match=r"layer '2' saw no number but 0: .*skip=\['2'\]"):
        observe(model, [x])


def test_no_batches_are_reported() -> None:
    with pytest.raises(ValueError, match="no batches"):
        observe(Sequential(Linear(2, 2)), iter([]))
