"""Checkpoint 5: predictions are scored. One number that is right, finite, and a mean over examples.

The facts are closed forms, and NumPy in float64. Left out: gradients.
"""

import math

import numpy as np

from tinytorch import Tensor
from tinytorch.core.activations import ReLU, log_softmax, sigmoid
from tinytorch.core.errors import ShapeError
from tinytorch.core.layers import Linear, Sequential
from tinytorch.core.losses import BCELoss, BCEWithLogitsLoss, CrossEntropyLoss, MSELoss
from tinytorch.course.checking import exercise, raises, same
from tinytorch.datasets import DrawnDigits


@exercise("5")
def check_a_network_that_knows_nothing_scores_the_logarithm_of_ten() -> None:
    rng = np.random.default_rng(0)
    images, labels = DrawnDigits("train", n=100).get_batch(np.arange(100))
    model = Sequential(Linear(784, 16, rng=rng), ReLU(), Linear(16, 10, rng=rng))
    x, y = Tensor(images.reshape(100, 784)), Tensor(labels)
    for parameter in model.parameters()[2:]:
        parameter.data = np.zeros_like(parameter.data)
    same(CrossEntropyLoss()(model(x), y), math.log(10), call="the loss", why="all alike: log 10")


@exercise("5")
def check_what_is_sure_and_right_costs_nothing_and_sure_and_wrong_a_lot() -> None:
    y = Tensor(np.array([2, 0]))
    right = Tensor([[0.0, 0.0, 1000.0], [1000.0, 0.0, 0.0]])
    wrong = Tensor([[1000.0, 0.0, 0.0], [0.0, 1000.0, 0.0]])
    same(CrossEntropyLoss()(right, y), 0.0, call="cross-entropy, sure and right")
    same(CrossEntropyLoss()(wrong, y), 1000.0, call="cross-entropy, sure and wrong")
    one = Tensor([1.0])
    same(BCEWithLogitsLoss()(Tensor([-500.0]), one), 500.0, call="binary, sure and wrong")
    same(BCEWithLogitsLoss()(Tensor([500.0]), one), 0.0, call="binary, sure and right")


@exercise("5")
def check_one_step_gives_what_the_composed_formulas_give() -> None:
    rng = np.random.default_rng(1)
    logits, y = Tensor(rng.standard_normal((6, 4))), np.array([0, 3, 1, 1, 2, 0])
    composed = -log_softmax(logits)[np.arange(6), y].mean()
    same(CrossEntropyLoss()(logits, Tensor(y)), composed, call="cross-entropy", rtol=1e-4)
    target = Tensor(rng.integers(0, 2, (6, 4)).astype(np.float32))
    composed = BCELoss()(sigmoid(logits), target)
    same(BCEWithLogitsLoss()(logits, target), composed, call="binary cross-entropy", rtol=1e-4)
    square = (logits - target) * (logits - target)
    same(MSELoss()(logits, target), square.mean(), call="the squared error", rtol=1e-4)


@exercise("5")
def check_the_losses_are_those_of_the_books() -> None:
    rng = np.random.default_rng(2)
    logits, y = rng.standard_normal((5, 3)), np.array([2, 1, 0, 0, 1])
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    each = -np.log(p[np.arange(5), y])
    got = CrossEntropyLoss("none")(Tensor(logits), Tensor(y))
    same(got, each, call='CrossEntropyLoss("none")', why="-log p of the right class", rtol=1e-4)
    p, t = rng.uniform(0.05, 0.95, 8), rng.integers(0, 2, 8).astype(float)
    binary = -(t * np.log(p) + (1 - t) * np.log(1 - p))
    same(BCELoss()(Tensor(p), Tensor(t)), binary.mean(), call="BCELoss()", rtol=1e-4)
    same(MSELoss("sum")(Tensor(p), Tensor(t)), ((p - t) ** 2).sum(), call='MSELoss("sum")')


@exercise("5")
def check_the_same_examples_twice_score_the_same() -> None:
    rng = np.random.default_rng(3)
    logits, y = rng.standard_normal((4, 3)), np.array([0, 2, 1, 1])
    once = CrossEntropyLoss()(Tensor(logits), Tensor(y))
    twice = CrossEntropyLoss()(Tensor(np.tile(logits, (2, 1))), Tensor(np.tile(y, 2)))
    same(twice, once, call="cross-entropy of the batch twice", why="it is a mean over examples")
    once = MSELoss()(Tensor(logits), Tensor(logits[::-1].copy()))
    both = np.tile(logits, (2, 1)), np.tile(logits[::-1], (2, 1))
    same(MSELoss()(*map(Tensor, both)), once, call="squared error of the batch twice")


@exercise("5")
def check_only_differences_of_scores_count() -> None:
    rng = np.random.default_rng(4)
    logits, y = rng.standard_normal((4, 3)), Tensor(np.array([0, 2, 1, 1]))
    once = CrossEntropyLoss()(Tensor(logits), y)
    moved = CrossEntropyLoss()(Tensor(logits + np.array([[50.0], [-50.0], [9.0], [0.0]])), y)
    same(moved, once, call="cross-entropy of scores moved by a constant a row", rtol=1e-4)


@exercise("5")
def check_predictions_and_targets_that_do_not_fit_are_refused() -> None:
    x = Tensor(np.zeros((4, 1), np.float32))
    with raises(ShapeError, call="MSELoss()((4, 1), (4,))", why="broadcasting would make (4, 4)"):
        MSELoss()(x, Tensor(np.zeros(4, np.float32)))
    with raises(IndexError, call="a class 3 of 3"):
        CrossEntropyLoss()(Tensor(np.zeros((1, 3))), Tensor(np.array([3])))
