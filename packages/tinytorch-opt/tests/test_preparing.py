"""A picture becomes what training images were: the same numbers, from the file's own words."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinytorch.datasets import CIFAR10, MNIST, DrawnDigits, ImageDataset, available
from tinytorch.opt.preparing import LABELS, SHIPPED, Preparation, middle


def photographs() -> ImageDataset:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 3, 5, 4)).astype(np.uint8)
    how: dict[str, Any] = {"mean": (0.4, 0.5, 0.6), "std": (0.2, 0.3, 0.4)}
    return ImageDataset(pixels, [0, 1, 1], classes=("a", "b"), **how)


def pictures(data: ImageDataset) -> list[Any]:
    """Images as files hold them: (H, W), or (H, W, 3)."""
    return [np.moveaxis(i, 0, 2) if len(i) == 3 else i[0] for i in data.images]


@pytest.mark.parametrize("data", [DrawnDigits("test", 5), photographs()], ids=["grey", "colours"])
def test_a_picture_is_prepared_as_the_data_set_prepares_it(data: ImageDataset) -> None:
    how = Preparation.of(data)
    want, _ = data.get_batch(range(len(data)))
    for picture, x in zip(pictures(data), want, strict=True):
        got = how.apply(picture, invert=False)
        assert got.dtype == np.float32
        assert got.flags.c_contiguous
        np.testing.assert_allclose(got, x[np.newaxis], rtol=1e-5, atol=1e-5)


def test_pixels_that_a_data_set_does_not_normalise_stay_in_0_to_1() -> None:
    data = DrawnDigits("test", 2, normalize=False)
    got = Preparation.of(data).apply(data.images[0, 0], invert=False)
    np.testing.assert_allclose(got[0], data[0][0], rtol=1e-6)


def test_a_file_says_again_what_it_was_told() -> None:
    digits = Preparation.of(DrawnDigits("test", 1))
    assert "reject" not in digits.as_metadata()["preprocess"]
    wary = replace(digits, reject={"probability": 0.9, "score": 3.0})
    for how in (digits, wary, Preparation.of(photographs())):
        texts = {key: json.dumps(value) for key, value in how.as_metadata().items()}
        assert Preparation.read(texts) == how
    assert Preparation.read({"labels": "[]"}) is None
    assert Preparation.read({"preprocess": '{"kind": "keyword", "shape": [1, 49, 10]}'}) is None


@pytest.mark.parametrize(
    "text",
    [
        "not JSON", "[]", "{}",
        '{"kind": "digit", "shape": [28], "mean": [0], "std": [1]}',
        '{"kind": "digit", "shape": [2, 28, 28], "mean": [0, 0], "std": [1, 1]}',
        '{"kind": "picture", "shape": [3, 28, 28], "mean": [0], "std": [1]}',
        '{"kind": "picture", "shape": [1, 28, 28], "mean": [0], "std": [0]}',
    ],
)  # fmt: skip
def test_words_that_make_no_sense_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="its metadata say preprocess"):
        Preparation.read({"preprocess": text})


def test_dark_on_light_is_turned_over_where_the_model_learned_from_light_on_dark() -> None:
    data = DrawnDigits("test", 20)
    how = Preparation.of(data)
    for picture in pictures(data):
        assert not how.turns_over(picture)
        assert how.turns_over(255 - picture)
        np.testing.assert_allclose(how.apply(255 - picture), how.apply(picture), atol=1e-5)
    white = np.full((5, 4, 3), 255, np.uint8)
    assert not Preparation.of(photographs()).turns_over(white)


def test_grey_is_made_of_colours_and_colours_of_grey() -> None:
    one = Preparation((1, 2, 3), (0.0,), (1.0,))
    red = np.zeros((2, 3, 3), np.uint8)
    red[..., 0] = 255
    np.testing.assert_allclose(one.apply(red), 0.299)  # ITU-R BT.601
    three = Preparation((3, 2, 3), (0.0,) * 3, (1.0,) * 3)
    np.testing.assert_allclose(three.apply(np.full((2, 3), 51, np.uint8)), 0.2)


def test_a_digit_is_found_on_paper_and_chalk_where_one_says_so() -> None:
    how = Preparation((1, 28, 28), (0.1307,), (0.3081,), "digit", "dark")
    paper = np.full((120, 160), 230, np.uint8)
    paper[30:90, 76:84] = 40  # a one
    found = how.apply(paper)
    assert found.shape == (1, 1, 28, 28)
    ink = found[0, 0] * 0.3081 + 0.1307
    assert ink[14, 14] > 0.8  # in the middle, light
    assert np.abs(ink[[0, -1]]).max() < 0.1  # on dark
    np.testing.assert_allclose(how.apply(255 - paper, invert=True), found, atol=1e-5)
    with pytest.raises(ValueError, match=r"^(?!.*raw cannot)"):
        how.apply(np.full((120, 160), 230, np.uint8))
    assert how.apply(paper, fit=True).shape == (1, 1, 28, 28)


def test_another_size_is_refused_with_both_unless_it_may_be_fitted() -> None:
    how = Preparation((1, 28, 28), (0.0,), (1.0,))
    large = np.kron(DrawnDigits("test", 1).images[0, 0], np.ones((3, 3), np.uint8))
    with pytest.raises(ValueError, match=r"84 x 84 .*28 x 28: --fit"):
        how.apply(large)
    want = how.apply(DrawnDigits("test", 1).images[0, 0])
    np.testing.assert_allclose(how.apply(large, fit=True), want, atol=1e-5)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 9), st.integers(1, 9))
def test_any_size_can_be_fitted(height: int, width: int, rows: int, columns: int) -> None:
    picture = np.full((height, width), 102, np.uint8)
    cut = middle(picture, (rows, columns))
    assert cut.shape[0] == height or cut.shape[1] == width
    got = Preparation((1, rows, columns), (0.0,), (1.0,)).apply(picture, fit=True)
    np.testing.assert_allclose(got, np.full((1, 1, rows, columns), 0.4), rtol=1e-5)


def test_the_middle_is_kept() -> None:
    picture = np.zeros((4, 10), np.uint8)
    picture[:, 3:7] = 1
    np.testing.assert_array_equal(middle(picture, (28, 28)), np.ones((4, 4), np.uint8))
    np.testing.assert_array_equal(middle(picture.T, (28, 28)), np.ones((4, 4), np.uint8))


@pytest.mark.skipif(not available("mnist"), reason="needs MNIST")
def test_what_lenet_was_trained_on_is_prepared_so() -> None:
    data = MNIST("test", download=False)
    assert SHIPPED["lenet5"] == Preparation.of(data)
    assert LABELS["lenet5"] == data.classes


@pytest.mark.skipif(not available("cifar-10"), reason="needs CIFAR-10")
def test_photographs_have_no_side_that_is_dark() -> None:
    assert Preparation.of(CIFAR10("test", download=False)).background is None
