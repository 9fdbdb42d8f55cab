"""ImageDataset: what a batch is, and what is refused."""

import doctest

import numpy as np
import pytest

from tinytorch.datasets import ImageDataset, image_dataset, text, toy


def made_up(count=10, channels=3, **options):
    draws = np.random.default_rng(7)
    images = draws.integers(0, 256, (count, channels, 4, 5), dtype=np.uint8)
    labels = np.arange(count) % 2
    return ImageDataset(images, labels, classes=("no", "yes"), **options)


def test_a_batch_is_scaled_then_standardised_channel_by_channel():
    data = made_up(mean=(0.1, 0.5, 0.9), std=(0.2, 0.3, 0.4))
    x, y = data.get_batch(np.array([3, 0, 3]))
    scaled = data.images[[3, 0, 3]].astype(np.float64) / 255
    mean = np.array([0.1, 0.5, 0.9]).reshape(3, 1, 1)
    std = np.array([0.2, 0.3, 0.4]).reshape(3, 1, 1)
    np.testing.assert_allclose(x, (scaled - mean) / std, atol=2e-6)
    assert x.dtype == np.float32
    assert x.shape == (3, 3, 4, 5)
    assert y.dtype == np.int64
    assert y.tolist() == [1, 0, 1]


def test_an_item_is_the_same_image_as_in_a_batch_and_its_label_is_an_int():
    data = made_up(mean=(0.1, 0.5, 0.9), std=(0.2, 0.3, 0.4))
    x, y = data[7]
    np.testing.assert_array_equal(x, data.get_batch([7])[0][0])
    assert type(y) is int
    assert y == 1
    np.testing.assert_array_equal(data[-3][0], x)


def test_without_normalising_pixels_lie_between_zero_and_one():
    images = np.array([0, 51, 255, 102], np.uint8).reshape(1, 1, 2, 2)
    data = ImageDataset(images, [0], classes=("one",), mean=(0.5,), std=(0.1,), normalize=False)
    expected = np.array([0, 0.2, 1, 0.4], np.float32)
    np.testing.assert_allclose(data[0][0].ravel(), expected, rtol=1e-6)
    assert data[0][0].max() == 1


def test_a_batch_can_be_changed_without_changing_the_data_set():
    data = made_up()
    before, labels = data.images.copy(), data.labels.copy()
    x, y = data.get_batch([0, 1])
    x += 1
    y += 1
    np.testing.assert_array_equal(data.images, before)
    np.testing.assert_array_equal(data.labels, labels)


def test_iterating_ends_after_the_last_image():
    assert len(list(made_up(count=4))) == 4


def test_a_mask_chooses_images():
    data = made_up(count=4)
    x, y = data.get_batch(data.labels == 1)
    np.testing.assert_array_equal(x, data.get_batch([1, 3])[0])
    assert y.tolist() == [1, 1]


def test_an_empty_batch_has_the_shape_of_a_batch():
    x, y = made_up().get_batch([])
    assert x.shape == (0, 3, 4, 5)
    assert y.shape == (0,)


@pytest.mark.parametrize("index", [10, -11])
def test_an_index_beyond_the_end_is_refused_with_the_number_of_images(index):
    with pytest.raises(IndexError, match="holds 10 images"):
        made_up()[index]
    with pytest.raises(IndexError, match="holds 10 images"):
        made_up().get_batch([0, index])


def test_a_mask_of_the_wrong_length_and_fractional_indices_are_refused():
    with pytest.raises(IndexError, match="mask over 10 images"):
        made_up().get_batch(np.ones(9, bool))
    with pytest.raises(TypeError, match="expected integers"):
        made_up().get_batch([0.0, 1.0])
    with pytest.raises(IndexError, match="one axis"):
        made_up().get_batch([[0, 1]])


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((2, 1, 4, 4), np.float32), "float32"),
        (np.zeros((2, 4, 4), np.uint8), r"\(2, 4, 4\)"),
    ],
)
def test_images_of_another_type_or_shape_are_refused(images, message):
    with pytest.raises(ValueError, match=message):
        ImageDataset(images, [0, 0], classes=("one",))


def test_labels_that_do_not_fit_are_refused():
    images = np.zeros((2, 1, 4, 4), np.uint8)
    with pytest.raises(ValueError, match=r"labels lie in 0..2; 2 classes allow 0..1"):
        ImageDataset(images, [0, 2], classes=("a", "b"))
    with pytest.raises(ValueError, match="labels lie in -1"):
        ImageDataset(images, [-1, 0], classes=("a", "b"))
    with pytest.raises(ValueError, match=r"labels of shape \(2,\), not \(3,\)"):
        ImageDataset(images, [0, 1, 0], classes=("a", "b"))
    with pytest.raises(TypeError, match="float64"):
        ImageDataset(images, [0.0, 1.0], classes=("a", "b"))


def test_statistics_that_do_not_fit_the_channels_are_refused():
    with pytest.raises(ValueError, match="3 channels need 3 numbers"):
        made_up(mean=(0.5,))
    with pytest.raises(ValueError, match="above zero"):
        made_up(std=(0.2, 0.0, 0.2))


def test_a_subset_keeps_order_labels_classes_and_normalisation():
    data = made_up(mean=(0.1, 0.5, 0.9), std=(0.2, 0.3, 0.4))
    part = data.subset([5, 2])
    np.testing.assert_array_equal(part.get_batch([0, 1])[0], data.get_batch([5, 2])[0])
    assert part.labels.tolist() == [1, 0]
    assert (part.classes, part.name, part.split) == (data.classes, data.name, data.split)


def test_holding_out_splits_every_image_into_exactly_one_part():
    images = np.arange(10, dtype=np.uint8).reshape(10, 1, 1, 1)
    data = ImageDataset(images, [0] * 10, classes=("one",))
    rest, held = data.hold_out(0.3, seed=0)
    # RandomState(0).permutation(10) begins 2, 8, 4: a stream NumPy promises never to change.
    assert held.images.ravel().tolist() == [2, 4, 8]
    assert rest.images.ravel().tolist() == [0, 1, 3, 5, 6, 7, 9]
    assert held.split == "validation"
    assert rest.split == "train"
    assert data.hold_out(0.3, seed=1)[1].images.ravel().tolist() != [2, 4, 8]


@pytest.mark.parametrize("fraction", [0.0, 1.0, 0.01, -0.5, 2.0])
def test_holding_out_nothing_or_everything_is_refused(fraction):
    with pytest.raises(ValueError, match="both parts need an image"):
        made_up().hold_out(fraction)


@pytest.mark.parametrize("module", [image_dataset, text, toy], ids=lambda m: m.__name__)
def test_the_examples_in_docstrings_run(module):
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0
