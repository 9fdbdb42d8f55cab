"""Drawn digits: the same everywhere, too hard for a linear model, not for a hidden layer."""

import hashlib
import itertools

import numpy as np
import pytest

from tinytorch.datasets import DrawnDigits

pytestmark = pytest.mark.once


def digest(data):
    return hashlib.sha256(data.images.tobytes() + data.labels.astype("<i8").tobytes()).hexdigest()


# Recorded from this package on x86-64, NumPy 2.4. A difference means that a machine or a NumPy
# draws otherwise, or that the drawing was changed: then say so in the changelog.
RECORDED = {
    ("train", 0): "de2f9565f9a39d45715af465c1823a3b900f85bc0c287ce8a74aeb0c48a2f239",
    ("train", 1): "806b4113add9fa7fdafbb0b78c1fa4c19c5ad31d38274239c00d3be44d88b500",
    ("test", 0): "ec154f465f30f41fef7fbf7388af5e1842cc2639c8f13c990a8b5f9b18fe48d6",
}


@pytest.mark.parametrize(("split", "seed"), RECORDED)
def test_the_same_arguments_give_the_recorded_bytes(split, seed):
    assert digest(DrawnDigits(split, n=600, seed=seed)) == RECORDED[split, seed]


def test_a_short_set_is_the_beginning_of_a_longer_one():
    long, short = DrawnDigits(n=620), DrawnDigits(n=510)
    np.testing.assert_array_equal(long.images[:510], short.images)
    np.testing.assert_array_equal(long.labels[:510], short.labels)


def test_drawing_neither_reads_nor_moves_the_global_generator():
    np.random.seed(5)  # noqa: NPY002 - the global state is what is tested
    before = DrawnDigits(n=20)
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    after = DrawnDigits(n=20)
    np.testing.assert_array_equal(before.images, after.images)
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002


def test_no_picture_of_one_split_or_seed_is_in_another():
    sets = [DrawnDigits("train", 1000), DrawnDigits("test", 1000), DrawnDigits("train", 1000, 1)]
    pictures = {image.tobytes() for data in sets for image in data.images}
    assert len(pictures) == 3000


def test_digits_are_equally_many_in_every_five_hundred_and_in_random_order():
    data = DrawnDigits(n=1000)
    assert np.bincount(data.labels[:500]).tolist() == [50] * 10
    assert np.bincount(data.labels[500:]).tolist() == [50] * 10
    assert (np.diff(data.labels) == 1).mean() < 0.2


def test_pictures_have_ink_in_the_middle_and_cover_the_whole_range():
    images = DrawnDigits(n=500).images
    assert images.shape == (500, 1, 28, 28)
    assert images.max() == 255
    assert images.min() == 0
    middle = images[:, :, 6:22, 6:22].reshape(500, -1)
    assert middle.max(axis=1).min() > 100
    assert images[:, :, 8:20, 8:20].mean() > 3 * images[:, :, [0, 1, 26, 27]].mean()


def test_the_recorded_mean_and_deviation_are_those_of_the_training_images():
    data = DrawnDigits("train")
    assert len(data) == 10_000
    assert len(DrawnDigits("test")) == 2_000
    assert data.mean[0] == pytest.approx(data.images.mean() / 255, abs=1e-4)
    assert data.std[0] == pytest.approx(data.images.std() / 255, abs=1e-4)


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match=r"'train' or 'test'.*hold_out"):
        DrawnDigits("valid")
    with pytest.raises(ValueError, match="n=-1"):
        DrawnDigits(n=-1)
    with pytest.raises(ValueError, match="seed=-1"):
        DrawnDigits(n=1, seed=-1)
    assert len(DrawnDigits(n=0)) == 0


def accuracy(sizes, train, test, seed):
    """Test accuracy of a ReLU network after ten epochs of Adam, in NumPy alone."""
    draws = np.random.default_rng(seed)
    shapes = list(itertools.pairwise(sizes))
    weights = [draws.standard_normal(s).astype(np.float32) * (2 / s[0]) ** 0.5 for s in shapes]
    biases = [np.zeros(width, np.float32) for width in sizes[1:]]
    parameters = weights + biases
    first, second = ([np.zeros_like(p) for p in parameters] for _ in range(2))

    def forward(x):
        layers = [x]
        for w, b in zip(weights, biases, strict=True):
            hidden = layers[-1] @ w + b
            layers.append(hidden if w is weights[-1] else np.maximum(hidden, 0))
        return layers

    step, steps = 0, 10 * (len(train[0]) // 64)
    for _ in range(10):
        order = draws.permutation(len(train[0]))
        for begin in range(0, len(order) - 63, 64):
            chosen = order[begin : begin + 64]
            layers = forward(train[0][chosen])
            gradient = np.exp(layers[-1] - layers[-1].max(axis=1, keepdims=True))
            gradient /= gradient.sum(axis=1, keepdims=True)
            gradient[np.arange(64), train[1][chosen]] -= 1
            gradient /= 64
            by_weight, by_bias = [], []
            for w, below in zip(weights[::-1], layers[-2::-1], strict=True):
                by_weight.insert(0, below.T @ gradient)
                by_bias.insert(0, gradient.sum(axis=0))
                gradient = (gradient @ w.T) * (below > 0)
            step += 1
            lr = 1e-3 * (1 + np.cos(np.pi * step / steps)) / 2
            for p, g, m, v in zip(parameters, by_weight + by_bias, first, second, strict=True):
                m += 0.1 * (g - m)
                v += 0.001 * (g * g - v)
                p -= lr * (m / (1 - 0.9**step)) / (np.sqrt(v / (1 - 0.999**step)) + 1e-8)
    return float((forward(test[0])[-1].argmax(axis=1) == test[1]).mean())


def test_a_linear_model_stays_clearly_below_a_hidden_layer():
    train, test = (
        (x.reshape(len(x), -1), y)
        for x, y in (d.get_batch(np.arange(len(d))) for d in map(DrawnDigits, ("train", "test")))
    )
    linear = accuracy((784, 10), train, test, seed=0)
    hidden = accuracy((784, 128, 64, 10), train, test, seed=0)
    assert 0.80 < linear < 0.90  # measured: 0.86
    assert hidden > 0.955  # measured: 0.97
