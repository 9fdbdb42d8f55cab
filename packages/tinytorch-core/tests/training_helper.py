"""A small problem for the tests of training: points, a network, a trainer that says nothing."""

from typing import Any

import numpy as np

from tinytorch.core.training import Trainer
from tinytorch.data import TensorDataset
from tinytorch.nn import CrossEntropyLoss, Dropout, Linear, Module, ReLU, Sequential
from tinytorch.optim import SGD


def points(n: int = 24, seed: int = 0) -> TensorDataset:
    """Points in four dimensions and the three classes that a random linear map gives them."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, 4), np.float32)
    return TensorDataset(x, (x @ rng.standard_normal((4, 3), np.float32)).argmax(1))


def network(seed: int = 0, dropout: float = 0.0) -> Sequential:
    rng = np.random.default_rng(seed)
    return Sequential(
        Linear(4, 8, rng=rng), ReLU(), Dropout(dropout, rng=rng), Linear(8, 3, rng=rng)
    )


def trainer(model: Module | None = None, lr: float = 0.1, **options: Any) -> Trainer:
    model = network() if model is None else model
    optimizer = SGD(model.parameters(), lr=lr)
    return Trainer(model, CrossEntropyLoss(), optimizer, **{"progress": False, **options})


def weights(model: Module) -> list[np.ndarray]:
    return list(model.state_dict().values())


def same(first: Module, second: Module) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(weights(first), weights(second), strict=True))
