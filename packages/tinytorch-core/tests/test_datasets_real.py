"""The published data themselves, where TINYTORCH_DATA holds them; skipped, visibly, where not."""

import os

import numpy as np
import pytest

from tinytorch import datasets

pytestmark = pytest.mark.once

# The facts are independent of this package: class counts and channel statistics as published.
MNIST_TRAIN = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]


def need(name):
    if not os.environ.get("TINYTORCH_DATA"):
        pytest.skip("TINYTORCH_DATA is not set")
    if datasets.locate(name).where != "local":
        pytest.skip(f"TINYTORCH_DATA holds no {name}")


def statistics(data):
    scaled = data.images / np.float64(255)
    return scaled.mean(axis=(0, 2, 3)), scaled.std(axis=(0, 2, 3))


@pytest.fixture(scope="module")
def shared_cache(tmp_path_factory):
    """One cache for this file, so that an archive is unpacked once."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TINYTORCH_CACHE", str(folder))
        yield folder


def test_mnist_has_its_published_counts_and_statistics():
    need("mnist")
    train, test = datasets.MNIST("train", download=False), datasets.MNIST("test", download=False)
    assert train.images.shape == (60_000, 1, 28, 28)
    assert test.images.shape == (10_000, 1, 28, 28)
    assert np.bincount(train.labels).tolist() == MNIST_TRAIN
    assert train.labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert test.labels[:5].tolist() == [7, 2, 1, 0, 4]
    mean, std = statistics(train)
    np.testing.assert_allclose(mean, train.mean, atol=1e-4)
    np.testing.assert_allclose(std, train.std, atol=1e-4)
    # Every seventh: images with even and odd numbers come from different writers, and the even
    # ones are darker.
    x, _ = train.get_batch(np.arange(0, 60_000, 7))
    assert abs(float(x.mean())) < 0.01
    assert abs(float(x.std()) - 1) < 0.01


def test_fashion_mnist_has_its_published_counts_and_statistics():
    need("fashion-mnist")
    train = datasets.FashionMNIST("train", download=False)
    assert np.bincount(train.labels).tolist() == [6000] * 10
    mean, std = statistics(train)
    np.testing.assert_allclose(mean, train.mean, atol=1e-4)
    np.testing.assert_allclose(std, train.std, atol=1e-4)
    assert np.bincount(datasets.FashionMNIST("test", download=False).labels).tolist() == [1000] * 10


def test_cifar_10_has_its_published_counts_and_statistics(shared_cache):
    need("cifar-10")
    train = datasets.CIFAR10("train", download=False)
    test = datasets.CIFAR10("test", download=False)
    assert train.images.shape == (50_000, 3, 32, 32)
    assert test.images.shape == (10_000, 3, 32, 32)
    assert np.bincount(train.labels).tolist() == [5000] * 10
    assert np.bincount(test.labels).tolist() == [1000] * 10
    assert train.labels[:5].tolist() == [6, 9, 9, 4, 1]
    assert test.labels[:5].tolist() == [3, 8, 8, 0, 6]
    scaled = train.images[::10] / np.float64(255)
    np.testing.assert_allclose(scaled.mean(axis=(0, 2, 3)), train.mean, atol=5e-3)
    np.testing.assert_allclose(scaled.std(axis=(0, 2, 3)), train.std, atol=5e-3)


def test_tiny_shakespeare_has_its_length_and_its_65_characters():
    need("tinyshakespeare")
    data = datasets.TinyShakespeare(download=False)
    assert len(data) == 1_115_394
    assert len(set(data.text)) == 65
    assert data.text.startswith("First Citizen:\nBefore we proceed any further, hear me speak.")
    assert (len(data.train), len(data.validation)) == (1_003_854, 111_540)
