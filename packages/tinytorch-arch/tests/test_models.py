"""The networks with a name: their sizes, their costs, and that they learn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinytorch.arch import models
from tinytorch.arch.ops.normalization import BatchNorm1d, BatchNorm2d
from tinytorch.core.errors import ShapeError
from tinytorch.core.layers import Module
from tinytorch.core.losses import CrossEntropyLoss
from tinytorch.core.optimizers import Adam
from tinytorch.core.tensor import Tensor

pytestmark = pytest.mark.once


def folded_parameters(model: Module) -> int:
    """The parameters but for those of normalisations, which fold into the layer before."""
    norms = [module for module in model.modules() if isinstance(module, BatchNorm2d)]
    return model.num_parameters() - sum(norm.num_parameters() for norm in norms)


# parameters and multiply-adds: MLPerf Tiny's from the reference models of its repository, v1.4
# (22.6k / 2.66M, 211k / 7.49M, 77.7k / 12.5M, 266k / 264k), LeNet's worked out by hand
SIZES = [
    (models.LeNet5, (1, 28, 28), 61_706, 416_520),
    (models.ResNet8, (3, 32, 32), 77_706, 12_501_632),
    (models.DSCNN, (1, 49, 10), 22_604, 2_656_768),
    (models.AutoEncoder, (640,), 265_864, 264_192),
    (models.DigitViT, (1, 28, 28), 154_954, 2_508_416),  # worked out by hand too
]


@pytest.mark.parametrize(("make", "shape", "parameters", "products"), SIZES)
def test_a_network_has_the_size_and_cost_that_are_published(
    make: Any, shape: Any, parameters: int, products: int
) -> None:
    model = make()
    assert folded_parameters(model) == parameters
    assert models.multiply_adds(model, *shape) == products


def test_mobilenet_has_the_size_and_cost_that_are_published() -> None:
    model = models.MobileNetV1()
    assert round(folded_parameters(model) / 1000) in (211, 213)
    assert round(models.multiply_adds(model, 3, 96, 96) / 1e4) == 749


@pytest.mark.parametrize(
    ("make", "shape", "outputs"),
    [
        (models.LeNet5, (1, 28, 28), 10),
        (models.CifarCNN, (3, 32, 32), 10),
        (models.ResNet8, (3, 32, 32), 10),
        (models.DSCNN, (1, 49, 10), 12),
        (models.MobileNetV1, (3, 96, 96), 2),
    ],
)
def test_a_classifier_learns_four_examples_by_heart(make: Any, shape: Any, outputs: int) -> None:
    rng = np.random.default_rng(0)
    model = make(rng=rng)
    x = Tensor(rng.standard_normal((4, *shape)))
    y = Tensor(np.arange(4) % outputs)
    if isinstance(model, models.CifarCNN):
        model.whiten(rng.standard_normal((64, 3, 32, 32)).astype(np.float32))
    loss, optimizer = CrossEntropyLoss(), Adam(model.parameters(), lr=2e-3)
    assert model(x).shape == (4, outputs)
    first = loss(model(x), y).item()
    for _ in range(30):
        optimizer.zero_grad()
        value = loss(model(x), y)
        value.backward()
        optimizer.step()
    assert value.item() < 0.5 * first
    assert all(p.grad is not None for p in model.parameters() if p.requires_grad)


def test_the_same_seed_makes_the_same_network() -> None:
    for make in (models.LeNet5, models.CifarCNN, models.ResNet8, models.DSCNN, models.AutoEncoder):
        first, second = (make(rng=np.random.default_rng(3)).state_dict() for _ in range(2))
        for name, values in first.items():
            np.testing.assert_array_equal(values, second[name])


def test_whitening_makes_the_answers_of_the_first_filters_uncorrelated() -> None:
    rng = np.random.default_rng(0)
    smooth = rng.standard_normal((200, 3, 34, 34)).cumsum(axis=2)[:, :, 1:-1, 1:-1] * 0.1
    images = smooth.astype(np.float32)
    model = models.CifarCNN(rng=rng)
    model.whiten(images, eps=0)
    assert not model.stem.weight.requires_grad
    answers = model.stem(Tensor(images)).data[:, :, 1:, 1:]  # without those that see the margin
    covariance = np.cov(answers[:, :27].transpose(1, 0, 2, 3).reshape(27, -1))
    np.testing.assert_allclose(covariance, np.eye(27), atol=0.2)  # of a sample
    np.testing.assert_array_equal(answers[:, 27:], -answers[:, :27])


def test_batch_norm_of_rows_is_that_of_images_of_one_pixel() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((8, 3)).astype(np.float32)
    rows, images = BatchNorm1d(3), BatchNorm2d(3)
    np.testing.assert_array_equal(
        rows(Tensor(x)).data, images(Tensor(x[:, :, None, None])).data[..., 0, 0]
    )
    np.testing.assert_array_equal(rows.running_var.data, images.running_var.data)
    with pytest.raises(ShapeError, match=r"BatchNorm1d: x \(2, 3, 4\) must be \(N, C\)"):
        rows(Tensor(np.zeros((2, 3, 4))))


def parameters_of_gpt(vocab: int, d: int, layers: int, context: int) -> int:
    """Embeddings, and for each block four products in attention, an MLP and two normalisations."""
    block = 4 * (d * d + d) + (4 * d * d + 4 * d) + (4 * d * d + d) + 2 * 2 * d
    return vocab * d + context * d + layers * block + 2 * d


def test_the_gpts_have_the_sizes_that_are_published() -> None:
    """Counted from the tensors of the published files, whose output weights are the embeddings."""
    assert models.CharGPT().num_parameters() == parameters_of_gpt(65, 128, 4, 128) == 818_048
    published = (124_439_808, 354_823_168, 774_030_080, 1_557_611_200)
    for (d, heads, layers), wanted in zip(models.GPT2.SIZES.values(), published, strict=True):
        assert parameters_of_gpt(50_257, d, layers, 1024) == wanted
        assert d == 64 * heads  # as `load_gpt2` takes for granted
    with pytest.raises(ValueError, match="there are gpt2, gpt2-medium, gpt2-large, gpt2-xl"):
        models.GPT2("gpt3")


@pytest.mark.slow
def test_the_smallest_gpt2_can_be_made() -> None:
    assert models.GPT2().num_parameters() == 124_439_808
