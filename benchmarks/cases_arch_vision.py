"""What is timed of tinytorch-arch's module 09: convolution, and networks that train and answer.

The CNN is that of DESIGN's table: four 3x3 convolutions (32, 32, 64, 64 channels), a pooling after
each pair, one linear layer, on 64 images of 3x32x32. PyTorch's best form keeps the channels last,
so that is a case of its own.
"""

from typing import Any

import numpy as np
from cases import Case, Step, keeping


def _random(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape, dtype=np.float32)


# A training step
def cnn_tinytorch(batch: int) -> Step:
    from tinytorch import Tensor
    from tinytorch.nn import Conv2d, CrossEntropyLoss, Flatten, Linear, MaxPool2d, ReLU, Sequential
    from tinytorch.optim import Adam

    model = Sequential(
        Conv2d(3, 32, 3, padding=1), ReLU(), Conv2d(32, 32, 3, padding=1), ReLU(), MaxPool2d(2),
        Conv2d(32, 64, 3, padding=1), ReLU(), Conv2d(64, 64, 3, padding=1), ReLU(), MaxPool2d(2),
        Flatten(), Linear(4096, 10),
    )  # fmt: skip
    optimizer, loss = Adam(model.parameters(), lr=1e-3), CrossEntropyLoss()
    x, labels = Tensor(_random(batch, 3, 32, 32)), Tensor(np.arange(batch) % 10)

    def step() -> None:
        optimizer.zero_grad()
        loss(model(x), labels).backward()
        optimizer.step()

    return step


def cnn_torch(batch: int, channels_last: bool = False) -> Step:
    import torch
    from torch import nn

    model: Any = nn.Sequential(
        nn.Conv2d(3, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.Conv2d(64, 64, 3, padding=1), nn.ReLU(),
        nn.MaxPool2d(2), nn.Flatten(), nn.Linear(4096, 10),
    )  # fmt: skip
    x, labels = torch.tensor(_random(batch, 3, 32, 32)), torch.arange(batch) % 10
    if channels_last:
        model = model.to(memory_format=torch.channels_last)
        x = x.to(memory_format=torch.channels_last)
    optimizer, loss = torch.optim.Adam(model.parameters(), lr=1e-3), nn.CrossEntropyLoss()

    def step() -> None:
        optimizer.zero_grad()
        loss(model(x), labels).backward()
        optimizer.step()

    return step


# An answer
def answer_tinytorch(name: str, *shape: int) -> Step:
    from tinytorch import Tensor, no_grad
    from tinytorch.arch import models

    model = getattr(models, name)().eval()
    x = Tensor(_random(1, *shape))

    def step() -> None:
        with no_grad():
            model(x)

    return step


def lenet_torch() -> Any:
    from torch import nn

    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )  # fmt: skip


def resnet8_torch() -> Any:
    from torch import nn

    def conv_norm(inputs: int, outputs: int, stride: int = 1) -> list[Any]:
        return [nn.Conv2d(inputs, outputs, 3, stride, 1), nn.BatchNorm2d(outputs)]

    class Block(nn.Module):
        def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
            super().__init__()
            first, second = conv_norm(inputs, outputs, stride), conv_norm(outputs, outputs)
            self.body = nn.Sequential(*first, nn.ReLU(), *second)
            same = inputs == outputs
            self.shortcut = nn.Identity() if same else nn.Conv2d(inputs, outputs, 1, stride)

        def forward(self, x: Any) -> Any:
            return nn.functional.relu(self.body(x) + self.shortcut(x))

    return nn.Sequential(
        *conv_norm(3, 16), nn.ReLU(), Block(16, 16), Block(16, 32, 2), Block(32, 64, 2),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10),
    )  # fmt: skip


def answer_torch(make: Any, *shape: int) -> Step:
    import torch

    model = make().eval()
    x = torch.tensor(_random(1, *shape))

    def step() -> None:
        with torch.no_grad():
            model(x)

    return step


# One operation
CONVOLUTIONS = {  # images, channels, size, outputs, kernel, stride, groups
    "3x3": (64, 32, 32, 32, 3, 1, 1),
    "3x3, stride 2": (64, 32, 32, 64, 3, 2, 1),
    "1x1": (64, 64, 16, 128, 1, 1, 1),
    "3x3, 4 groups": (64, 64, 16, 64, 3, 1, 4),
    "depthwise 3x3": (64, 64, 16, 64, 3, 1, 64),
}


def convolution_tinytorch(kind: str, backward: bool) -> Step:
    from tinytorch import Tensor
    from tinytorch.arch.convolutions import conv2d

    count, channels, size, outputs, kernel, stride, groups = CONVOLUTIONS[kind]
    x = Tensor(_random(count, size, size, channels)).permute(0, 3, 1, 2)  # as convolutions do
    x = Tensor.detach(x)
    weight = Tensor(_random(outputs, channels // groups, kernel, kernel))
    bias = Tensor(_random(outputs))
    leaves = (x, weight, bias)
    for leaf in leaves:
        leaf.requires_grad = backward
    params = {"stride": stride, "padding": kernel // 2, "groups": groups}
    y = conv2d(x, weight, bias, **params)
    g = np.ones(y.shape, np.float32).transpose(0, 2, 3, 1).copy().transpose(0, 3, 1, 2)

    def forward() -> None:
        conv2d(x, weight, bias, **params)

    def both() -> None:
        conv2d(x, weight, bias, **params).backward(g)
        for leaf in leaves:
            leaf.grad = None

    return both if backward else forward


def convolution_torch(kind: str, backward: bool) -> Step:
    import torch

    count, channels, size, outputs, kernel, stride, groups = CONVOLUTIONS[kind]
    leaves = [
        torch.tensor(_random(*shape), requires_grad=backward)
        for shape in (
            (count, channels, size, size),
            (outputs, channels // groups, kernel, kernel),
            (outputs,),
        )
    ]
    params = {"stride": stride, "padding": kernel // 2, "groups": groups}
    g = torch.ones_like(torch.conv2d(*leaves, **params))

    def forward() -> None:
        torch.conv2d(*leaves, **params)

    def both() -> None:
        torch.conv2d(*leaves, **params).backward(g)
        for leaf in leaves:
            leaf.grad = None

    return both if backward else forward


def _convolution(kind: str, backward: bool) -> Case:
    return Case(
        f"conv2d {kind}, {'forward and backward' if backward else 'forward'}",
        "images, channels, size, outputs " + str(CONVOLUTIONS[kind][:4]),
        lambda: convolution_tinytorch(kind, backward),
        lambda: convolution_torch(kind, backward),
    )


CASES = [
    Case(
        "cnn step, batch 64",
        "four convolutions, 3x32x32, Adam",
        lambda: cnn_tinytorch(64),
        lambda: cnn_torch(64),
        (1.0, 1.4),
    ),
    Case(
        "cnn step, batch 64, channels last",
        "PyTorch with channels_last",
        lambda: cnn_tinytorch(64),
        lambda: cnn_torch(64, channels_last=True),
    ),
    Case(
        "cnn step, batch 64, freed memory kept",
        "by both: tinytorch.core.memory",
        keeping(lambda: cnn_tinytorch(64)),
        keeping(lambda: cnn_torch(64)),
    ),
    Case(
        "lenet, batch 1",
        "1x28x28",
        lambda: answer_tinytorch("LeNet5", 1, 28, 28),
        lambda: answer_torch(lenet_torch, 1, 28, 28),
        (0.40, 0.40),
    ),
    Case(
        "resnet-8, batch 1",
        "3x32x32",
        lambda: answer_tinytorch("ResNet8", 3, 32, 32),
        lambda: answer_torch(resnet8_torch, 3, 32, 32),
        (0.80, 0.75),
    ),
    *[_convolution(kind, backward) for kind in CONVOLUTIONS for backward in (False, True)],
]
