"""Checkpoint 8: gradients lead downhill. Optimizers arrive where mathematics says the bottom is.

The facts are closed forms, least squares by NumPy, and problems whose answer is known. Left out:
batches and the training loop (checkpoint 9).
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from tinytorch import Tensor
from tinytorch.core.activations import tanh
from tinytorch.core.layers import Linear, Module, Sequential
from tinytorch.core.losses import BCEWithLogitsLoss, MSELoss
from tinytorch.core.optimizers import SGD, Adam, AdamW
from tinytorch.course.checking import exercise, same

CORNERS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
EITHER = np.array([[0], [1], [1], [0]], np.float32)  # XOR


def descend(optimizer: Any, loss: Callable[[], Tensor], steps: int) -> list[float]:
    """Take steps, and return the losses before each."""
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        value = loss()
        value.backward()
        optimizer.step()
        losses.append(value.item())
    return losses


def distance(model: Module, loss: Any, x: Any, y: Any) -> Callable[[], Tensor]:
    """The loss of a model as a function of nothing, for `descend`."""
    return lambda: loss(model(Tensor(x)), Tensor(y))


@exercise("8")
def check_each_step_in_a_bowl_goes_the_same_share_of_the_way() -> None:
    start = np.array([4.0, -3.0, 0.5], np.float32)
    w = Tensor(start, requires_grad=True)
    descend(SGD([w], lr=0.05), lambda: (w * w).sum(), 10)
    same(w, start * 0.9**10, call="10 steps of SGD on w * w, lr 0.05", why="each leaves 0.9 of w")


@exercise("8")
def check_momentum_remembers_where_it_was_going() -> None:
    w = Tensor([1.0], requires_grad=True)
    descend(SGD([w], lr=0.1, momentum=0.9), lambda: w.sum(), 3)
    # the gradient is 1 throughout: the steps are 0.1 * (1, 1.9, 2.71)
    same(w, np.array([1 - 0.561]), call="3 steps of SGD with momentum 0.9 on w")


@exercise("8")
def check_the_first_steps_of_adam_have_the_length_of_its_learning_rate() -> None:
    start = np.array([5.0, -0.001, 100.0], np.float32)
    w = Tensor(start, requires_grad=True)
    scale = Tensor([1.0, 1000.0, -1e-3])
    descend(Adam([w], lr=0.01), lambda: (w * scale).sum(), 4)
    expected = start - 0.04 * np.array([1, 1, -1])
    same(
        w, expected, call="4 steps of Adam, lr 0.01", why="a constant gradient: lr each", rtol=1e-4
    )


@exercise("8")
def check_every_optimizer_finds_what_least_squares_finds() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((50, 3)).astype(np.float32)
    y = (x @ np.array([[1.0], [-2.0], [0.5]]) + 0.3).astype(np.float32)
    y += 0.1 * rng.standard_normal((50, 1)).astype(np.float32)
    exact = np.linalg.lstsq(np.column_stack([x, np.ones(50)]), y, rcond=None)[0]
    ways: dict[str, Callable[[list[Tensor]], Any]] = {
        "SGD": lambda p: SGD(p, lr=0.1),
        "SGD with Nesterov's momentum": lambda p: SGD(p, lr=0.05, momentum=0.9, nesterov=True),
        "Adam": lambda p: Adam(p, lr=0.05),
        "AdamW without decay": lambda p: AdamW(p, lr=0.05, weight_decay=0.0),
    }
    for name, make in ways.items():
        model = Linear(3, 1, rng=np.random.default_rng(1))
        descend(make(model.parameters()), distance(model, MSELoss(), x, y), 400)
        assert model.bias is not None
        found = np.vstack([model.weight.data, model.bias.data[np.newaxis]])
        same(found, exact, call=f"{name}, 400 steps", why="least squares", rtol=0, atol=2e-3)


@exercise("8")
def check_a_small_enough_step_never_goes_uphill() -> None:
    rng = np.random.default_rng(2)
    layer = Linear(4, 1, rng=rng)
    x = rng.standard_normal((40, 4))
    y = (rng.random((40, 1)) < 0.5).astype(np.float32)
    way = SGD(layer.parameters(), lr=0.2)
    losses = descend(way, distance(layer, BCEWithLogitsLoss(), x, y), 60)
    rises = [i for i in range(59) if losses[i + 1] > losses[i] + 1e-6]
    assert not rises, f"the loss rose after step {rises[0] + 1}: it is convex, and 0.2 is small"
    assert losses[-1] < losses[0], f"the loss began at {losses[0]:.4f}, ended at {losses[-1]:.4f}"


@exercise("8")
def check_a_hidden_layer_learns_xor() -> None:
    ways: dict[str, Callable[[list[Tensor]], Any]] = {
        "SGD": lambda p: SGD(p, lr=0.5, momentum=0.9),
        "Adam": lambda p: Adam(p, lr=0.05),
    }
    for name, make in ways.items():
        rng = np.random.default_rng(3)
        model = Sequential(Linear(2, 8, rng=rng), tanh, Linear(8, 1, rng=rng))
        loss = distance(model, BCEWithLogitsLoss(), CORNERS, EITHER)
        descend(make(model.parameters()), loss, 300)
        right = int(((model(Tensor(CORNERS)).data > 0) == EITHER).sum())
        assert right == 4, f"{name}: {right} of the 4 corners are right after 300 steps"


@exercise("8")
def check_decay_shrinks_what_no_gradient_holds() -> None:
    for name, way in (("SGD", SGD), ("AdamW", AdamW)):
        w = Tensor([2.0, -2.0], requires_grad=True)
        optimizer = way([w], lr=0.1, weight_decay=0.5)
        for _ in range(5):
            w.grad = np.zeros_like(w.data)
            optimizer.step()
        expected = np.array([2.0, -2.0]) * (1 - 0.1 * 0.5) ** 5
        same(w, expected, call=f"{name}, weight_decay 0.5, a gradient of 0, 5 steps", rtol=1e-4)
