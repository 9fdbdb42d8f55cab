"""What is timed: each case once in TinyTorch and once in PyTorch, with the goal for the ratio.

A builder returns a function that does one step. Frameworks are imported inside the builders, so
that a worker process only ever loads its own.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Step = Callable[[], Any]


@dataclass(frozen=True)
class Case:
    """One row of the table. Goals are TinyTorch / PyTorch: one thread, two threads."""

    name: str
    what: str
    tinytorch: Callable[[], Step]
    torch: Callable[[], Step]
    goals: tuple[float | None, float | None] = (None, None)


def keeping(builder: Callable[[], Step]) -> Callable[[], Step]:
    """The same step in a process that keeps the memory it frees."""

    def build() -> Step:
        from tinytorch.core.memory import keep_freed_memory

        keep_freed_memory()
        return builder()

    return build


def _random(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape, dtype=np.float32)


# x * y + z on 8 elements: what a call costs when there is hardly anything to compute
def small_tinytorch(backward: bool) -> Step:
    from tinytorch import Tensor

    x, y, z = (Tensor(_random(8), requires_grad=backward) for _ in range(3))
    g = np.ones(8, np.float32)

    def forward() -> None:
        x * y + z

    def both() -> None:
        (x * y + z).backward(g)
        x.grad = y.grad = z.grad = None

    return both if backward else forward


def small_torch(backward: bool) -> Step:
    import torch

    x, y, z = (torch.tensor(_random(8), requires_grad=backward) for _ in range(3))
    g = torch.ones(8)

    def forward() -> None:
        x * y + z

    def both() -> None:
        (x * y + z).backward(g)
        x.grad = y.grad = z.grad = None

    return both if backward else forward


# One training step of an MLP: forward, cross-entropy, backward, Adam
def mlp_tinytorch(batch: int) -> Step:
    from tinytorch import Tensor
    from tinytorch.nn import CrossEntropyLoss, Linear, ReLU, Sequential
    from tinytorch.optim import Adam

    model = Sequential(Linear(784, 128), ReLU(), Linear(128, 64), ReLU(), Linear(64, 10))
    optimizer = Adam(model.parameters(), lr=1e-3)
    loss = CrossEntropyLoss()
    x, labels = Tensor(_random(batch, 784)), Tensor(np.arange(batch) % 10)

    def step() -> None:
        optimizer.zero_grad()
        loss(model(x), labels).backward()
        optimizer.step()

    return step


def mlp_torch(batch: int) -> Step:
    import torch
    from torch import nn

    model = nn.Sequential(
        nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10)
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    loss = nn.CrossEntropyLoss()
    x, labels = torch.tensor(_random(batch, 784)), torch.arange(batch) % 10

    def step() -> None:
        optimizer.zero_grad()
        loss(model(x), labels).backward()
        optimizer.step()

    return step


# One function over 64 * 128 rows of 512
def function_tinytorch(name: str, backward: bool = False) -> Step:
    from tinytorch import Tensor
    from tinytorch.core import activations

    function = getattr(activations, name)
    x = Tensor(_random(64 * 128, 512), requires_grad=backward)
    g = _random(64 * 128, 512)

    def forward() -> None:
        function(x)

    def both() -> None:
        function(x).backward(g)
        x.grad = None

    return both if backward else forward


def function_torch(name: str, backward: bool = False) -> Step:
    import torch

    named: dict[str, Callable[[Any], Any]] = {
        "gelu": lambda x: torch.nn.functional.gelu(x, approximate="tanh"),
        "softmax": lambda x: torch.softmax(x, -1),
        "log_softmax": lambda x: torch.log_softmax(x, -1),
    }
    function = named.get(name) or getattr(torch, name)
    x = torch.tensor(_random(64 * 128, 512), requires_grad=backward)
    g = torch.tensor(_random(64 * 128, 512))

    def forward() -> None:
        function(x)

    def both() -> None:
        function(x).backward(g)
        x.grad = None

    return both if backward else forward


# Adam on ten million parameters
def adam_tinytorch(tensors: int) -> Step:
    from tinytorch import Tensor
    from tinytorch.optim import Adam

    shape = (10_000 // tensors, 1000)
    parameters = [Tensor(_random(*shape), requires_grad=True) for _ in range(tensors)]
    optimizer = Adam(parameters, lr=1e-3)
    gradient = _random(*shape)

    def step() -> None:
        for parameter in parameters:
            parameter.grad = gradient.view()  # a fresh gradient each time, as backward leaves one
        optimizer.step()

    return step


def adam_torch(tensors: int, fused: bool | None = None) -> Step:
    import torch

    shape = (10_000 // tensors, 1000)
    parameters = [torch.nn.Parameter(torch.tensor(_random(*shape))) for _ in range(tensors)]
    optimizer = torch.optim.Adam(parameters, lr=1e-3, fused=fused)
    gradient = torch.tensor(_random(*shape))

    def step() -> None:
        for parameter in parameters:
            parameter.grad = gradient
        optimizer.step()

    return step


def _function(name: str, goals: tuple[float | None, float | None] = (None, None)) -> list[Case]:
    return [
        Case(
            f"{name} forward",
            "8192 x 512",
            lambda: function_tinytorch(name),
            lambda: function_torch(name),
            goals,
        ),
        Case(
            f"{name} forward and backward",
            "8192 x 512",
            lambda: function_tinytorch(name, backward=True),
            lambda: function_torch(name, backward=True),
        ),
    ]


CASES = [
    Case(
        "x*y+z forward",
        "8 elements",
        lambda: small_tinytorch(False),
        lambda: small_torch(False),
        (0.80, 0.80),
    ),
    Case(
        "x*y+z forward and backward",
        "8 elements",
        lambda: small_tinytorch(True),
        lambda: small_torch(True),
        (0.25, 0.25),
    ),
    Case(
        "mlp step, batch 64",
        "784-128-64-10, Adam",
        lambda: mlp_tinytorch(64),
        lambda: mlp_torch(64),
        (0.55, 0.45),
    ),
    Case(
        "mlp step, batch 512",
        "784-128-64-10, Adam",
        lambda: mlp_tinytorch(512),
        lambda: mlp_torch(512),
        (0.80, 0.55),
    ),
    *_function("relu"),
    *_function("sigmoid"),
    *_function("tanh"),
    *_function("gelu", (0.9, 1.5)),
    *_function("softmax", (1.3, 2.0)),
    *_function("log_softmax"),
    Case(
        "adam, 10M parameters in 1 tensor",
        "PyTorch's default",
        lambda: adam_tinytorch(1),
        lambda: adam_torch(1),
        (0.35, 0.40),
    ),
    Case(
        "adam, 10M parameters in 10 tensors",
        "PyTorch's default",
        lambda: adam_tinytorch(10),
        lambda: adam_torch(10),
    ),
    Case(
        "adam, 10M parameters in 1 tensor, fused",
        "PyTorch with fused=True",
        lambda: adam_tinytorch(1),
        lambda: adam_torch(1, fused=True),
    ),
]
