"""1986: back-propagation. A network with hidden layers learns to read handwritten digits.

Left out: convolutions, which read them better (the milestone of 1998), and validation data: nothing
is chosen here, so the test digits may be looked at after each epoch.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from tinytorch import Tensor
from tinytorch.core.milestones.digits import digits
from tinytorch.core.milestones.display import Epochs
from tinytorch.core.milestones.frame import Stage, milestone
from tinytorch.core.tier import BACKPROPAGATION
from tinytorch.core.training import Trainer, count_steps
from tinytorch.data import DataLoader
from tinytorch.nn import CrossEntropyLoss, Linear, ReLU, Sequential
from tinytorch.optim import Adam, LinearSchedule

HISTORY = (
    "The chain rule, applied backwards through the layers, tells every weight how to change, so "
    "hidden units learn to stand for things that nobody told them about. The rule had been found "
    "before (Linnainmaa 1970, Werbos 1974); this paper made it the way networks learn. "
    "D. Rumelhart, G. Hinton and R. Williams, Learning representations by back-propagating errors, "
    "Nature 323, 1986. The digits are of 1998, the optimizer (Adam) of 2014."
)


@dataclass(frozen=True)
class OptimizerSettings:
    """Of Adam. The learning rate falls along a line to 0."""

    lr: float = 4e-3


@dataclass(frozen=True)
class Recipe:
    """The network and its training."""

    hidden: tuple[int, ...] = (128, 64)
    epochs: int = 6
    batch: int = 128
    optimizer: OptimizerSettings = OptimizerSettings()


RECIPES = {"quick": Recipe(epochs=2), "full": Recipe()}

# gate and goal: shares of the test digits. Measured for each kind, and not to be compared.
MNIST_BOUNDS = (0.95, 0.98)
DRAWN_BOUNDS = (0.90, 0.96)  # a single layer reaches 0.87


def pixels(images: Tensor) -> Tensor:
    """Images as rows of numbers."""
    return images.reshape(len(images), -1)  # (N, 1, 28, 28) -> (N, 784)


def network(hidden: tuple[int, ...], rng: np.random.Generator) -> Sequential:
    """784 pixels, the hidden layers with a ReLU after each, 10 digits."""
    layers: list[Any] = [pixels]
    for inputs, outputs in pairwise((784, *hidden, 10)):
        layers += [Linear(inputs, outputs, rng=rng), ReLU()]
    return Sequential(layers[:-1])


@milestone(BACKPROPAGATION, RECIPES, HISTORY)
def run(stage: Stage, recipe: Recipe) -> None:
    """Train the network, and judge it on digits it has not learned from."""
    data = digits(stage)
    train = DataLoader(data.train, recipe.batch, shuffle=True, rng=stage.rng)
    test = DataLoader(data.test, 1000)

    model = network(recipe.hidden, stage.rng)
    steps = count_steps(train, recipe.epochs)
    shown = Epochs(stage, steps)
    trainer = Trainer(
        model,
        CrossEntropyLoss(),
        Adam(model.parameters(), lr=recipe.optimizer.lr),
        schedule=LinearSchedule(steps),
        progress=shown,
    )
    history = trainer.fit(train, test, epochs=recipe.epochs)

    accuracy = history[-1]["validation_accuracy"]
    stage.number("parameters", model.num_parameters())
    stage.number("test accuracy", accuracy)
    stage.plot("training loss", shown.losses, log=True)
    stage.curve("test accuracy", history.column("validation_accuracy"), "epoch")
    gate, goal = MNIST_BOUNDS if data.real else DRAWN_BOUNDS
    stage.gate(f"test accuracy on {data.name}", accuracy, at_least=gate, percent=True)
    stage.goal(f"test accuracy on {data.name}", accuracy, at_least=goal, percent=True)
