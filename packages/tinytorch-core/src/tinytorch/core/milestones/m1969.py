"""1969: XOR, which no single layer computes, and the hidden layer that does, from every start.

Left out: the theorem's proof, and other functions of its kind (parity, connectedness).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tinytorch import Tensor
from tinytorch.core.activations import sigmoid
from tinytorch.core.milestones.frame import Stage, milestone
from tinytorch.core.tier import XOR as MILESTONE
from tinytorch.datasets import XOR
from tinytorch.nn import BCEWithLogitsLoss, Linear, Module, Sequential, Tanh
from tinytorch.optim import Adam

HISTORY = (
    "A book ends the first summer of neural networks: what a single layer of weights computes is "
    "what a line can separate, and exclusive or, true where exactly one of two inputs is, is not "
    "of that kind. A layer in between changes everything, but how to train one was not known; "
    "gradients through a smooth function are the answer of the eighties. M. Minsky and S. Papert, "
    "Perceptrons: an introduction to computational geometry, MIT Press, 1969."
)


@dataclass(frozen=True)
class OptimizerSettings:
    """Of Adam."""

    lr: float = 0.1


@dataclass(frozen=True)
class Recipe:
    """How many units and starts, and how long to try."""

    hidden: int = 8  # units in the layer between
    few: int = 2  # the smallest hidden layer that could do it, for comparison
    seeds: int = 100  # starts to try
    steps: int = 200  # of gradient descent, at most
    optimizer: OptimizerSettings = OptimizerSettings()


RECIPES = {"quick": Recipe(seeds=20, steps=100), "full": Recipe()}

POINTS = XOR()
X = Tensor(POINTS.x)  # (4, 2)
Y = Tensor(POINTS.y[:, np.newaxis], dtype=np.float32)  # (4, 1)


def network(hidden: int, rng: np.random.Generator) -> Sequential:
    """Two inputs, `hidden` units between, one output; 0 hidden units are a single layer."""
    if not hidden:
        return Sequential(Linear(2, 1, rng=rng))
    return Sequential(Linear(2, hidden, rng=rng), Tanh(), Linear(hidden, 1, rng=rng))


def answers(model: Module) -> np.ndarray:
    """How sure the network is that the answer is 1, for each of the four points."""
    return sigmoid(model(X)).data[:, 0]


def learn(model: Module, steps: int, lr: float) -> list[float]:
    """Train until every answer is right by 0.9 or more, or the steps are used up: the losses."""
    optimizer, losses = Adam(model.parameters(), lr=lr), []
    for _ in range(steps):
        loss = BCEWithLogitsLoss()(model(X), Y)
        losses.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if solved(model):
            break
    return losses


def solved(model: Module) -> bool:
    """Whether each of the four answers is within 0.1 of the truth."""
    return bool(np.abs(answers(model) - POINTS.y).max() < 0.1)


def try_all(stage: Stage, recipe: Recipe, hidden: int) -> tuple[int, list[int], list[float]]:
    """From each seed: how many solve it, the steps they took, and the losses of the first."""
    steps: list[int] = []
    first: list[float] = []
    with stage.progress(title(hidden), recipe.seeds) as step:
        for seed in range(stage.result.seed, stage.result.seed + recipe.seeds):
            model = network(hidden, np.random.default_rng(seed))
            losses = learn(model, recipe.steps, recipe.optimizer.lr)
            first = first or losses
            if solved(model):
                steps.append(len(losses))
            step(f"{len(steps)} solved")
    return len(steps), steps, first


def title(hidden: int) -> str:
    """What a table calls this network."""
    return f"{hidden} hidden units" if hidden else "no hidden layer"


def describe(counts: Sequence[int]) -> str:
    """The steps it took, from the quickest to the slowest."""
    return f"{min(counts)} to {max(counts)}" if counts else ""


@milestone(MILESTONE, RECIPES, HISTORY)
def run(stage: Stage, recipe: Recipe) -> None:
    """Train without a hidden layer, with a small and with a comfortable one, from many seeds."""
    stage.data("XOR", "built in", points=len(POINTS))
    tried = {hidden: try_all(stage, recipe, hidden) for hidden in (0, recipe.few, recipe.hidden)}
    rows = [
        (title(hidden), f"{count} of {recipe.seeds}", describe(steps))
        for hidden, (count, steps, _) in tried.items()
    ]
    stage.table(("network", "starts that solve it", "after steps"), rows, right=(1,))
    stage.number("solved by hidden units", {str(hidden): tried[hidden][0] for hidden in tried})
    stage.plot(
        f"loss, {recipe.hidden} hidden units, first start", tried[recipe.hidden][2], log=True
    )
    stage.gate("starts solved without a hidden layer", tried[0][0], at_most=0)
    stage.gate(
        f"starts solved with {recipe.hidden} hidden units",
        tried[recipe.hidden][0],
        at_least=recipe.seeds,
    )
