"""The built-in points and the built-in text."""

import numpy as np
import pytest

from tinytorch.datasets import XOR, Almanac, Blobs, NoisyXOR, TextDataset


@pytest.mark.parametrize("seed", range(20))
def test_blobs_lie_on_their_side_of_the_recorded_line_with_the_margin_asked_for(seed):
    blobs = Blobs(n=300, margin=0.4, seed=seed)
    sides = blobs.x @ blobs.normal - blobs.offset
    np.testing.assert_array_equal(sides > 0, blobs.y == 1)
    assert np.abs(sides).min() >= 0.2
    assert np.linalg.norm(blobs.normal) == pytest.approx(1)
    assert np.bincount(blobs.y).tolist() == [150, 150]


@pytest.mark.parametrize("seed", range(5))
def test_a_perceptron_separates_blobs_within_novikoffs_bound(seed):
    blobs = Blobs(n=200, margin=0.5, seed=seed)
    x = np.column_stack([blobs.x, np.ones(len(blobs))])  # the offset is a third weight
    signs = 2 * blobs.y - 1
    w, corrections, wrong = np.zeros(3), 0, True
    while wrong:
        wrong = False
        for point, sign in zip(x, signs, strict=True):
            if sign * (w @ point) <= 0:
                w, corrections, wrong = w + sign * point, corrections + 1, True
        assert corrections < 1000
    radius = np.linalg.norm(x, axis=1).max()
    solution = np.array([*blobs.normal, -blobs.offset])
    margin = (signs * (x @ solution)).min() / np.linalg.norm(solution)
    assert corrections <= (radius / margin) ** 2


def test_another_seed_gives_other_blobs_and_the_same_gives_the_same():
    np.testing.assert_array_equal(Blobs(seed=3).x, Blobs(seed=3).x)
    assert not np.array_equal(Blobs(seed=3).x, Blobs(seed=4).x)


def test_blobs_without_a_gap_are_refused():
    with pytest.raises(ValueError, match="margin=0"):
        Blobs(margin=0)


def test_xor_is_the_four_points():
    data = XOR()
    assert data.x.tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
    assert data.y.tolist() == [0, 1, 1, 0]
    assert data.x.dtype == np.float32
    assert data.y.dtype == np.int64
    assert len(list(data)) == 4
    x, y = data.get_batch([3, 1])
    assert x.tolist() == [[1, 1], [0, 1]]
    assert y.tolist() == [0, 1]


def test_noisy_xor_keeps_every_point_nearest_to_its_corner():
    data = NoisyXOR(n=400, noise=0.45, seed=2)
    corners = np.round(data.x).astype(int)
    np.testing.assert_array_equal(corners[:, 0] ^ corners[:, 1], data.y)
    assert 0.4 < np.abs(data.x - corners).max() <= 0.45
    with pytest.raises(ValueError, match=r"noise=0\.5"):
        NoisyXOR(noise=0.5)


def test_the_almanac_is_plain_text_of_a_few_thousand_characters():
    data = Almanac()
    assert data.text.startswith("AN ALMANAC")
    assert data.text.isascii()
    assert "\r" not in data.text
    assert 4_000 < len(data) < 10_000
    assert data.text.count("The lamp is lit at") == 12


def test_a_text_is_split_nine_to_one_without_loss():
    data = TextDataset("numbers", "0123456789" * 3 + "x")
    assert len(data.train) == 27
    assert data.train + data.validation == data.text
