"""The vision transformer: patches, shapes, and that it learns to read digits."""

from __future__ import annotations

import os

import numpy as np
import pytest

from tinytorch import Tensor
from tinytorch.arch.transformers import TransformerBlock
from tinytorch.arch.vision_transformer import VisionTransformer
from tinytorch.core.errors import ShapeError
from tinytorch.core.training import Trainer, count_steps, warm_up
from tinytorch.data import DataLoader
from tinytorch.datasets import MNIST, DrawnDigits, ImageDataset, available
from tinytorch.nn import CrossEntropyLoss
from tinytorch.optim import AdamW, LinearSchedule


def accuracy_after(train: ImageDataset, test: ImageDataset, epochs: int) -> float:
    rng = np.random.default_rng(0)
    model = VisionTransformer(rng=rng)
    batches = DataLoader(train, 128, shuffle=True, rng=rng)
    steps = count_steps(batches, epochs)
    trainer = Trainer(
        model,
        CrossEntropyLoss(),
        AdamW(model.parameters(), lr=3e-3),
        schedule=warm_up(LinearSchedule(steps), steps // 10),
        progress=False,
    )
    history = trainer.fit(batches, DataLoader(test, 1000), epochs=epochs)
    return history[-1]["validation_accuracy"]


def test_patches_are_the_squares_of_the_image_row_by_row() -> None:
    model = VisionTransformer(image=4, patch=2, channels=2, classes=3, d_model=8, n_heads=2)
    images = np.arange(2 * 2 * 4 * 4, dtype=np.float32).reshape(2, 2, 4, 4)
    patches = model.patches(Tensor(images)).data
    assert patches.shape == (2, 4, 8)
    for number, (row, column) in enumerate(((0, 0), (0, 2), (2, 0), (2, 2))):
        square = images[1, :, row : row + 2, column : column + 2]
        np.testing.assert_array_equal(patches[1, number], square.reshape(-1))
    assert model(Tensor(images)).shape == (2, 3)


def test_its_blocks_are_those_of_the_language_model() -> None:
    assert all(type(block) is TransformerBlock for block in VisionTransformer().blocks)


def test_every_parameter_learns() -> None:
    model = VisionTransformer(rng=np.random.default_rng(1))
    images = np.random.default_rng(2).random((3, 1, 28, 28), np.float32)
    CrossEntropyLoss()(model(Tensor(images)), Tensor([1, 2, 3])).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        if not name.endswith("key.bias"):  # softmax does not see what all scores have in common
            assert np.abs(parameter.grad).max() > 0, name


def test_what_does_not_fit_is_explained() -> None:
    with pytest.raises(ValueError, match="patches of 5 pixels do not fill an image of 28"):
        VisionTransformer(patch=5)
    with pytest.raises(ShapeError, match=r"\(batch, 1, 28, 28\), not \(2, 784\)"):
        VisionTransformer()(Tensor(np.ones((2, 784))))


@pytest.mark.slow
def test_it_reads_drawn_digits() -> None:
    assert accuracy_after(DrawnDigits("train"), DrawnDigits("test"), epochs=4) >= 0.9


@pytest.mark.slow
@pytest.mark.skipif(
    not (os.environ.get("TINYTORCH_DATA") and available("mnist")),
    reason="MNIST: TINYTORCH_DATA does not name a folder that holds it",
)
def test_it_reads_mnist() -> None:
    assert accuracy_after(MNIST("train"), MNIST("test"), epochs=4) >= 0.97
