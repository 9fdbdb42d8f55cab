"""Batch normalisation disappears into the layer before it, and nothing else changes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinytorch.arch import models
from tinytorch.arch.convolutions import Conv2d
from tinytorch.arch.ops.normalization import BatchNorm1d, BatchNorm2d
from tinytorch.core.activations import ReLU, relu
from tinytorch.core.layers import Linear, Module, Sequential
from tinytorch.core.tensor import Tensor
from tinytorch.core.training import evaluating
from tinytorch.opt.folding import Folded, fold_batch_norm, foldable


def lived(model: Module, seed: int = 0) -> Module:
    """The model with statistics and scales as if it had been trained."""
    rng = np.random.default_rng(seed)
    for module in model.modules():
        if isinstance(module, BatchNorm2d):
            size = module.running_mean.shape
            module.running_mean.data = rng.normal(0, 0.3, size).astype(np.float32)
            module.running_var.data = rng.uniform(0.3, 2, size).astype(np.float32)
            if module.weight is not None and module.bias is not None:
                module.weight.data = rng.uniform(-1, 2, size).astype(np.float32)
                module.bias.data = rng.normal(0, 0.3, size).astype(np.float32)
    return model


def answers(model: Module, x: Any) -> Any:
    with evaluating(model):
        return model(Tensor(x)).data


def norms(model: Module) -> int:
    return sum(isinstance(module, BatchNorm2d) for module in model.modules())


# what remains is what the docstrings of the models state, which are MLPerf Tiny's numbers;
# for CifarCNN, stem 1,458 + 54*64*9+64 + 64*128*9+128 + 128*128*9+128 + head 1,290
SIZES = [
    (models.LeNet5, (1, 28, 28), 61_706),
    (models.CifarCNN, (3, 32, 32), 255_356),
    (models.ResNet8, (3, 32, 32), 77_706),
    (models.DSCNN, (1, 49, 10), 22_604),
    (models.MobileNetV1, (3, 96, 96), None),
    (models.AutoEncoder, (640,), 265_864),
]


@pytest.mark.parametrize(("make", "shape", "parameters"), SIZES)
def test_a_network_computes_the_same_without_its_normalisations(
    make: Any, shape: Any, parameters: int | None
) -> None:
    model = lived(make(rng=np.random.default_rng(0)))
    before = model.state_dict()
    x = np.random.default_rng(1).standard_normal((3, *shape), np.float32)
    small = fold_batch_norm(model, x[:2])
    assert norms(small) == 0
    expected = answers(model, x)
    np.testing.assert_allclose(
        answers(small, x), expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max()
    )
    if parameters is not None:
        assert small.num_parameters() == parameters
    else:
        assert round(small.num_parameters() / 1000) in (211, 213)
    assert all((before[name] == array).all() for name, array in model.state_dict().items())
    assert norms(model) == sum(isinstance(m, Folded) for m in small.modules())


def test_a_layer_after_which_something_else_reads_keeps_its_normalisation() -> None:
    class Two(Module):
        def __init__(self) -> None:
            self.conv, self.norm = Conv2d(2, 3, 3), BatchNorm2d(3)

        def forward(self, x: Tensor) -> Tensor:
            y = self.conv(x)
            return self.norm(y) + y

    x = np.zeros((1, 2, 5, 5), np.float32)
    assert foldable(Two(), x) == {}
    assert norms(fold_batch_norm(Two(), x)) == 1


def test_a_layer_whose_result_the_model_returns_too_keeps_its_normalisation() -> None:
    class Both(Module):
        def __init__(self) -> None:
            self.conv, self.norm = Conv2d(2, 3, 3), BatchNorm2d(3)

        def forward(self, x: Tensor) -> Any:
            y = self.conv(x)
            return self.norm(y), y

    assert foldable(Both(), np.zeros((1, 2, 5, 5), np.float32)) == {}


def test_what_is_used_twice_keeps_its_normalisation() -> None:
    class Twice(Module):
        def __init__(self, shared: str) -> None:
            self.conv, self.norm, self.other = Conv2d(3, 3, 1), BatchNorm2d(3), Conv2d(3, 3, 1)
            self.shared = shared

        def forward(self, x: Tensor) -> Tensor:
            x = relu(self.norm(self.conv(x)))
            return self.conv(x) if self.shared == "conv" else self.norm(self.other(x))

    x = np.zeros((1, 3, 5, 5), np.float32)
    assert foldable(Twice("conv"), x) == {}
    assert foldable(Twice("norm"), x) == {}


def test_a_normalisation_after_something_else_stays() -> None:
    model = Sequential(Conv2d(1, 2, 3), ReLU(), BatchNorm2d(2), Conv2d(2, 2, 1, bias=False),
                       BatchNorm2d(2, affine=False))  # fmt: skip
    lived(model)
    x = np.random.default_rng(0).standard_normal((2, 1, 6, 6), np.float32)
    assert foldable(model, x) == {"3": "4"}
    small = fold_batch_norm(model, x)
    np.testing.assert_allclose(answers(small, x), answers(model, x), atol=1e-5)


def test_rows_of_numbers_fold_into_linear_layers() -> None:
    model = lived(Sequential(Linear(4, 3, bias=False), BatchNorm1d(3), Linear(3, 2)))
    x = np.random.default_rng(0).standard_normal((5, 4), np.float32)
    small = fold_batch_norm(model, x)
    assert repr(small.layers[1]) == "Folded()"
    np.testing.assert_allclose(answers(small, x), answers(model, x), atol=1e-5)


def test_frozen_layers_stay_frozen() -> None:
    model = Sequential(Conv2d(1, 2, 3, bias=False), BatchNorm2d(2))
    model.layers[0].weight.requires_grad = False  # type: ignore[attr-defined]
    small = fold_batch_norm(model, np.zeros((1, 1, 5, 5), np.float32))
    assert not any(p.requires_grad for p in small.parameters())
