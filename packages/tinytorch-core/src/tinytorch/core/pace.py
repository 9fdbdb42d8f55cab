"""What `tito complete` times in modules 01-08: a student's module beside the installed one.

Each program is made once and then called many times. Sizes are such that a plain loop in Python
still ends. Left out: modules in which nothing is worth timing, and the timing (`course/pace.py`).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Program = tuple[str, Callable[[], Callable[[], object]]]  # what it does, and what prepares it


def _numbers(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def _tensor() -> list[Program]:
    from tinytorch.core.tensor import Tensor

    x, y = Tensor(_numbers(300, 300)), Tensor(_numbers(300, 300))
    a, b = Tensor(_numbers(128, 128)), Tensor(_numbers(128, 128))
    return [
        ("x * y + x on 300 x 300 numbers", lambda: lambda: x * y + x),
        ("a @ b on 128 x 128 matrices", lambda: lambda: a @ b),
        ("x.sum(axis=0) of 300 x 300 numbers", lambda: lambda: x.sum(axis=0)),
    ]


def _activations() -> list[Program]:
    from tinytorch.core.activations import ReLU, Softmax
    from tinytorch.core.tensor import Tensor

    x = Tensor(_numbers(256, 100))
    return [
        ("ReLU of 256 x 100 numbers", lambda: lambda: ReLU()(x)),
        ("Softmax of 256 x 100 numbers", lambda: lambda: Softmax()(x)),
    ]


def _layers() -> list[Program]:
    from tinytorch.core.activations import ReLU
    from tinytorch.core.layers import Linear, Sequential
    from tinytorch.core.tensor import Tensor

    model, x = Sequential([Linear(100, 64), ReLU(), Linear(64, 10)]), Tensor(_numbers(64, 100))
    return [("an MLP 100-64-10 on 64 examples", lambda: lambda: model(x))]


def _losses() -> list[Program]:
    from tinytorch.core.losses import CrossEntropyLoss
    from tinytorch.core.tensor import Tensor

    logits, labels = Tensor(_numbers(256, 10)), Tensor(np.arange(256) % 10)
    return [("cross-entropy of 256 examples", lambda: lambda: CrossEntropyLoss()(logits, labels))]


def _dataloader() -> list[Program]:
    from tinytorch.core.dataloader import DataLoader, TensorDataset
    from tinytorch.core.tensor import Tensor

    data = TensorDataset(Tensor(_numbers(2000, 50)), Tensor(np.arange(2000)))
    loader = DataLoader(data, batch_size=64, shuffle=True)
    return [("2000 examples in batches of 64", lambda: lambda: list(loader))]


def _autograd() -> list[Program]:
    from tinytorch.core.tensor import Tensor

    def mlp() -> Callable[[], object]:
        x = Tensor(_numbers(64, 100))
        first = Tensor(_numbers(100, 64), requires_grad=True)
        second = Tensor(_numbers(64, 10), requires_grad=True)
        loss = ((x @ first).max(axis=0, keepdims=True) @ second).mean()
        return lambda: loss.backward(retain_graph=True)

    def chain() -> Callable[[], object]:
        x = Tensor(1.0, requires_grad=True)
        y = x
        for _ in range(500):
            y = y * 1.001 + x
        return lambda: y.backward(retain_graph=True)

    return [
        ("backward through two matrix products", mlp),
        ("backward through 1000 small operations", chain),
    ]


def _optimizers() -> list[Program]:
    from tinytorch.core.optimizers import Adam
    from tinytorch.core.tensor import Tensor

    def steps() -> Callable[[], object]:
        parameters = [Tensor(_numbers(100, 100), requires_grad=True) for _ in range(4)]
        optimizer = Adam(parameters, lr=0.001)
        gradients = [_numbers(100, 100) for _ in parameters]

        def step() -> None:
            for parameter, gradient in zip(parameters, gradients, strict=True):
                parameter.grad = gradient.copy()
            optimizer.step()

        return step

    return [("a step of Adam on 40,000 parameters", steps)]


PROGRAMS: dict[str, Callable[[], list[Program]]] = {
    "01": _tensor,
    "02": _activations,
    "03": _layers,
    "04": _losses,
    "05": _dataloader,
    "06": _autograd,
    "07": _optimizers,
}
