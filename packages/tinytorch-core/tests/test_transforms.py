"""Transforms change batches of images, the same way for the same seed."""

import numpy as np
import pytest

from tinytorch import ShapeError
from tinytorch.data import (
    Compose,
    DataLoader,
    Normalize,
    RandomCrop,
    RandomHorizontalFlip,
    TensorDataset,
)


def images(count=6, channels=2, height=4, width=5):
    shape = (count, channels, height, width)
    return np.random.default_rng(0).standard_normal(shape, np.float32)


def rng(seed=0):
    return np.random.default_rng(seed)


def test_normalize_gives_each_channel_mean_zero_and_deviation_one():
    x = (images(500) * np.array([[[3.0]], [[0.5]]]) + 7).astype(np.float32)
    mean, std = x.mean(axis=(0, 2, 3)), x.std(axis=(0, 2, 3))
    out = Normalize(mean.tolist(), std.tolist())(x, rng())
    np.testing.assert_allclose(out.mean(axis=(0, 2, 3)), 0, atol=1e-4)
    np.testing.assert_allclose(out.std(axis=(0, 2, 3)), 1, atol=1e-4)


def test_normalize_takes_bytes_and_one_number_for_all_channels():
    pixels = np.array([0, 127, 255], np.uint8).reshape(1, 3, 1, 1)
    out = Normalize(127.5, 127.5)(pixels)
    assert out.dtype == np.float32
    np.testing.assert_allclose(out.ravel(), [-1, -0.5 / 127.5, 1], rtol=1e-5)


def test_a_flip_mirrors_whole_images_from_left_to_right():
    x = images(200)
    out = RandomHorizontalFlip()(x, rng())
    kept = [np.array_equal(a, b) for a, b in zip(out, x, strict=True)]
    mirrored = [np.array_equal(a, b[:, :, ::-1]) for a, b in zip(out, x, strict=True)]
    assert all(k != m for k, m in zip(kept, mirrored, strict=True))
    assert 60 < sum(mirrored) < 140
    np.testing.assert_array_equal(RandomHorizontalFlip(0)(x, rng()), x)
    np.testing.assert_array_equal(RandomHorizontalFlip(1)(x, rng()), x[..., ::-1])


def test_a_crop_is_a_window_of_the_padded_image_and_every_place_occurs():
    x = images(400, 2, 3, 4)
    out = RandomCrop(1, fill=9)(x, rng())
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=9)
    places = set()
    for image, wide in zip(out, padded, strict=True):
        places |= {
            (i, j)
            for i in range(3)
            for j in range(3)
            if np.array_equal(image, wide[:, i : i + 3, j : j + 4])
        }
    assert out.shape == x.shape
    assert out.dtype == x.dtype
    assert len(places) == 9
    np.testing.assert_array_equal(RandomCrop(0)(x, rng()), x)


def test_each_image_of_a_crop_is_found_somewhere_in_its_own_padded_image():
    x = images(50)
    padded = np.pad(x, ((0, 0), (0, 0), (2, 2), (2, 2)))
    for image, wide in zip(RandomCrop(2)(x, rng(1)), padded, strict=True):
        windows = np.lib.stride_tricks.sliding_window_view(wide, (4, 5), axis=(1, 2))
        found = np.all(windows == image[:, np.newaxis, np.newaxis], axis=(0, 3, 4))
        assert found.any()


def test_compose_applies_transforms_in_order_with_one_generator():
    x = images()
    both = Compose(lambda a, rng: a + 1, lambda a, rng: a * 2)
    np.testing.assert_array_equal(both(x, rng()), (x + 1) * 2)
    listed = Compose([RandomCrop(1), RandomHorizontalFlip()])(x, rng(5))
    one = rng(5)
    np.testing.assert_array_equal(listed, RandomHorizontalFlip()(RandomCrop(1)(x, one), one))


@pytest.mark.parametrize("transform", [Normalize(0, 2), RandomHorizontalFlip(1), RandomCrop(1)])
def test_a_transform_leaves_the_images_it_was_given_as_they_were(transform):
    x = images()
    before = x.copy()
    transform(x, rng())[...] = 7
    np.testing.assert_array_equal(x, before)


def test_a_loader_transforms_x_alone_and_the_same_way_with_and_without_prefetch():
    data = TensorDataset(images(20), np.arange(20))

    def epochs(prefetch, leave=False):
        transform = Compose(RandomCrop(1), RandomHorizontalFlip())
        loader = DataLoader(data, 6, True, transform=transform, rng=rng(1), prefetch=prefetch)
        for _ in loader:
            if leave:
                break
        return [(batch.x.data, batch.y.data) for batch in loader]

    plain = epochs(0)
    assert sorted(np.concatenate([y for _, y in plain])) == list(range(20))
    assert not np.array_equal(plain[0][0], data.arrays[0][plain[0][1]])
    for others in (epochs(2), epochs(0, leave=True), epochs(2, leave=True)):
        for (x, y), (other_x, other_y) in zip(plain, others, strict=True):
            np.testing.assert_array_equal(x, other_x)
            np.testing.assert_array_equal(y, other_y)


def test_each_epoch_and_each_batch_is_transformed_differently():
    same = np.broadcast_to(images(1, 1, 8, 8), (40, 1, 8, 8))
    loader = DataLoader(TensorDataset(same), 20, transform=RandomCrop(4), rng=rng(2))
    batches = [batch.data for _ in range(2) for batch in loader]
    for i, batch in enumerate(batches):
        assert not any(np.array_equal(batch, other) for other in batches[:i])


def test_without_a_transform_no_more_is_drawn_than_the_order():
    used, fresh = rng(3), rng(3)
    list(DataLoader(TensorDataset(np.arange(9)), 2, shuffle=True, rng=used))
    fresh.permutation(9)
    assert used.random() == fresh.random()


def test_a_batch_that_is_one_tensor_is_transformed_and_a_dict_is_refused():
    doubled = DataLoader(TensorDataset(np.arange(4)), 4, transform=lambda x, rng: x * 2)
    assert next(iter(doubled)).tolist() == [0, 2, 4, 6]
    with pytest.raises(TypeError, match="a batch that is a dict has no first part"):
        list(DataLoader([{"a": 1}], transform=lambda x, rng: x))


@pytest.mark.parametrize(
    ("work", "error", "message"),
    [
        (lambda: Normalize(0, 0), ValueError, "std=0: it must be above 0"),
        (lambda: Normalize([0, 0, 0], 1)(images()), ShapeError, "mean has 3 numbers.*2 channels"),
        (lambda: RandomHorizontalFlip(2), ValueError, r"RandomHorizontalFlip\(2\): p is a prob"),
        (lambda: RandomCrop(-1), ValueError, r"RandomCrop\(-1\): padding"),
        (lambda: RandomCrop(1)(images()[0], rng()), ShapeError, r"shape \(2, 4, 5\); expected"),
        (lambda: Compose(RandomCrop(1), 3), TypeError, "transform 1 is 3"),
    ],
)
def test_what_cannot_be_transformed_is_refused_with_the_reason(work, error, message):
    with pytest.raises(error, match=message):
        work()
