"""Checkpoint 10: a CNN sees. A thing is recognised wherever it stands.

Values are compared with loops written out in NumPy, gradients with differences. Left out: the best
that can be had on photographs (`tito milestone run 1998`).
"""

from functools import cache
from typing import Any

import numpy as np

from tinytorch import Tensor, no_grad
from tinytorch.arch.convolutions import Conv2d, Flatten, MaxPool2d, conv2d
from tinytorch.arch.ops.normalization import BatchNorm2d
from tinytorch.core.activations import ReLU, tanh
from tinytorch.core.layers import Linear, Sequential
from tinytorch.core.losses import CrossEntropyLoss
from tinytorch.core.optimizers import Adam
from tinytorch.course.checking import exercise, same

SIZE = 12  # pixels of a picture's side
GATE = 0.95


def noise(*shape: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def strokes(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Noisy pictures of a stroke of 4 pixels, anywhere: lying, standing, or falling; and which."""
    rng = np.random.default_rng(seed)
    pictures = rng.normal(0, 0.3, (count, 1, SIZE, SIZE)).astype(np.float32)
    kinds = rng.integers(0, 3, count)
    along = np.arange(4)
    for picture, kind, (row, column) in zip(
        pictures, kinds, rng.integers(0, SIZE - 4, (count, 2)), strict=True
    ):
        down, across = ((0, 1), (1, 0), (1, 1))[kind]
        picture[0, row + along * down, column + along * across] += 1.5
    return pictures, kinds


def network(rng: np.random.Generator) -> Sequential:
    """Two convolutions, each with a pooling, and a linear layer."""
    return Sequential(
        Conv2d(1, 8, 3, padding=1, rng=rng), ReLU(), MaxPool2d(2),
        Conv2d(8, 8, 3, padding=1, rng=rng), ReLU(), MaxPool2d(3),
        Flatten(), Linear(32, 3, rng=rng),
    )  # fmt: skip


@cache
def trained() -> Sequential:
    """The network after 150 batches, each of new pictures."""
    model = network(np.random.default_rng(0))
    optimizer = Adam(model.parameters(), lr=1e-2)
    for step in range(150):
        x, y = strokes(32, seed=step)
        optimizer.zero_grad()
        CrossEntropyLoss()(model(Tensor(x)), Tensor(y)).backward()
        optimizer.step()
    return model


def share_right(model: Any, x: np.ndarray, y: np.ndarray) -> float:
    with no_grad():
        return float((model(Tensor(x)).data.argmax(axis=1) == y).mean())


@exercise("10")
def check_a_convolution_is_what_loops_over_all_pixels_give() -> None:
    x, weight, bias = noise(2, 4, 7, 6, seed=0), noise(6, 2, 3, 2, seed=1), noise(6, seed=2)
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    expected = np.zeros((2, 6, 4, 4))
    for n, o, i, j in np.ndindex(expected.shape):
        first = 2 * (o // 3)  # two groups of channels
        patch = padded[n, first : first + 2, 2 * i : 2 * i + 3, 2 * j : 2 * j + 2]
        expected[n, o, i, j] = (patch * weight[o]).sum() + bias[o]
    operands = (Tensor(a, np.float64) for a in (x, weight, bias))
    got = conv2d(*operands, stride=2, padding=1, groups=2)
    same(got, expected, call="conv2d(x, weight, bias, stride=2, padding=1, groups=2)", why="loops")


@exercise("10")
def check_a_picture_that_moves_moves_its_answer() -> None:
    layer = Conv2d(1, 4, 3, padding=1, rng=np.random.default_rng(1))
    picture = np.zeros((1, 1, 14, 14), np.float32)
    picture[0, 0, 3:8, 3:8] = noise(5, 5, seed=3)
    moved = np.roll(picture, (3, 2), axis=(2, 3))
    still, gone = (tanh(layer(Tensor(p))).data[:, :, 1:-1, 1:-1] for p in (picture, moved))
    same(
        gone[:, :, 3:, 2:], still[:, :, :-3, :-2], call="tanh(conv(moved picture))",
        why="the same weights look at every place", rtol=1e-4,
    )  # fmt: skip


@exercise("10")
def check_a_whole_network_has_the_gradient_that_differences_show() -> None:
    rng = np.random.default_rng(2)
    layers = Sequential(
        Conv2d(2, 3, 3, stride=2, padding=1, rng=rng), BatchNorm2d(3), tanh, MaxPool2d(2), Flatten()
    )
    for layer in layers.modules():  # in float64, which float32 parameters do not take
        for name, parameter in layer.own_tensors().items():
            if parameter.requires_grad:
                wide = noise(*parameter.shape, seed=parameter.size)
                setattr(layer, name, Tensor(wide, np.float64, requires_grad=True))
    x = Tensor(noise(3, 2, 8, 8, seed=4), np.float64, requires_grad=True)

    def loss() -> Tensor:
        return (layers(x) ** 2).sum()

    loss().backward()
    for name, leaf in (("x", x), *layers.named_parameters()):
        flat = rng.permutation(leaf.size)[:16].tolist()  # in steps, some places of the kernel miss
        picked = [np.unravel_index(place, leaf.shape) for place in flat]
        numeric = []
        for index in picked:
            values, middle = [], leaf.data[index]
            for step in (1e-6, -1e-6):
                leaf.data[index] = middle + step
                values.append(loss().item())
            leaf.data[index] = middle
            numeric.append((values[0] - values[1]) / 2e-6)
        assert leaf.grad is not None, f"{name} received no gradient"
        got = np.array([leaf.grad[index] for index in picked])
        why = "moving numbers by 0.000001 says so"
        same(got, np.array(numeric), call=f"the gradient of {name}", why=why, rtol=1e-3, atol=1e-5)


@exercise("10")
def check_what_is_normalised_in_training_is_remembered_for_evaluation() -> None:
    layer = BatchNorm2d(3, momentum=1.0)  # the last batch is all that it remembers
    x = noise(8, 3, 4, 4, seed=5).astype(np.float32) * 4 + 7
    in_training = layer(Tensor(x)).data
    same(in_training.mean(axis=(0, 2, 3)), np.zeros(3), call="BatchNorm2d: means", atol=1e-4)
    same(in_training.var(axis=(0, 2, 3)), np.ones(3), call="BatchNorm2d: variances", rtol=1e-3)
    alone = layer.eval()(Tensor(x[:1])).data
    why = "in evaluation an image does not depend on others; 1/127 is the variance's correction"
    same(alone, in_training[:1], call="layer.eval()(one image)", why=why, rtol=0.01, atol=0.01)


@exercise("10")
def check_strokes_are_told_apart_wherever_they_stand() -> None:
    reached = share_right(trained(), *strokes(600, seed=10_000))
    assert reached >= GATE, f"{reached:.1%} of new pictures were recognised; the gate is {GATE:.0%}"


@exercise("10")
def check_a_network_without_training_guesses() -> None:
    reached = share_right(network(np.random.default_rng(3)), *strokes(600, seed=10_001))
    assert reached < 0.6, f"{reached:.1%} without training: do the pictures give the answer away?"
