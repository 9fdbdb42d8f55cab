"""The estimate for a board is the formula that it states, over the calls that a trace finds."""

import numpy as np
import pytest

from tinytorch.arch.models import DSCNN, LeNet5, MobileNetV1
from tinytorch.nn import Conv2d, Flatten, Linear, Sequential
from tinytorch.opt.deploy import BOARDS, estimate


def ones(*shape: int) -> np.ndarray:
    return np.ones(shape, np.float32)


def test_a_large_product_takes_what_its_bytes_or_its_operations_take() -> None:
    model = Sequential(Linear(512, 512, bias=False, rng=np.random.default_rng(0)))
    found = estimate(model, ones(1, 512), "pi-4")
    moved = 4 * (512 + 512 * 512 + 512)  # one example: the weights are what takes time
    assert found.rows[0].bytes == moved
    assert found.seconds == pytest.approx(moved / (0.4 * 12.8e9) + 20e-6)


def test_dense_convolutions_reach_more_of_the_peak_than_depthwise_ones() -> None:
    for groups, eta in ((1, 0.4), (64, 0.08)):
        model = Conv2d(64, 64, 3, padding=1, groups=groups, bias=False)
        found = estimate(model, ones(1, 64, 32, 32), "pi-zero-2w")
        flops = 2 * 64 * 32 * 32 * 9 * 64 // groups
        computing = flops / (eta * 32e9)
        moving = found.rows[0].bytes / (0.4 * 3.6e9)
        assert found.rows[0].flops == flops
        assert found.seconds == pytest.approx(max(computing, moving) + 20e-6)


def test_one_core_reaches_a_quarter_of_the_peak() -> None:
    model = Conv2d(32, 32, 3, bias=False, padding=1)
    four, one = (estimate(model, ones(1, 32, 64, 64), "pi-5", threads=n) for n in (4, 1))
    flops = 2 * 32 * 64 * 64 * 9 * 32
    assert one.seconds == pytest.approx(flops / (0.4 * 153.6e9 / 4) + 20e-6)
    assert one.seconds > 2 * four.seconds


def test_views_are_no_calls_and_normalisation_is_folded() -> None:
    found = estimate(Sequential(Flatten(), Linear(4, 2)), ones(3, 1, 2, 2))
    assert [row.primitive for row in found.rows] == ["linear"]
    assert found.rows[0].flops == 2 * 4 * 2 + 2  # of one example, with its bias
    names = {row.primitive for row in estimate(DSCNN(), ones(1, 1, 49, 10)).rows}
    assert not any("norm" in name for name in names)


def test_faster_boards_take_less() -> None:
    for model, shape in ((LeNet5(), (1, 28, 28)), (MobileNetV1(), (3, 96, 96))):
        times = [estimate(model, ones(1, *shape), board).seconds for board in BOARDS]
        assert times == sorted(times, reverse=True)


def test_its_table_says_that_it_is_an_estimate_and_names_its_source() -> None:
    told = str(estimate(LeNet5(), ones(1, 1, 28, 28), "pi-4"))
    assert "Estimate for Raspberry Pi 4" in told
    assert "Not measured." in told
    assert "Cortex-A72" in told
    assert "(estimate)" in told
    assert told.splitlines()[-1].startswith("total")


def test_other_boards_and_threads_are_refused() -> None:
    with pytest.raises(ValueError, match="pi-zero-2w, pi-4, pi-5"):
        estimate(LeNet5(), ones(1, 1, 28, 28), "pi-3")
    with pytest.raises(ValueError, match="four cores"):
        estimate(LeNet5(), ones(1, 1, 28, 28), threads=8)
