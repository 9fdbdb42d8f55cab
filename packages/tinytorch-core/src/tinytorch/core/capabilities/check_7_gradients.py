"""Checkpoint 7: any program has a gradient. Networks, attention, loops, deep chains.

Each gradient is compared with central finite differences computed here, in float64, or with a
closed form. Left out: what to do with a gradient (checkpoint 8).
"""

from collections.abc import Callable

import numpy as np

from tinytorch import Tensor, no_grad
from tinytorch.core.activations import gelu, log_softmax, relu, softmax, tanh
from tinytorch.core.autograd import gradcheck
from tinytorch.core.errors import GradientError
from tinytorch.core.layers import Linear, Sequential
from tinytorch.core.losses import CrossEntropyLoss, MSELoss
from tinytorch.course.checking import exercise, raises, same


def leaf(*shape: int, seed: int) -> Tensor:
    """Normal numbers, float64, that want a gradient."""
    numbers = np.random.default_rng(seed).standard_normal(shape)
    return Tensor(numbers, np.float64, requires_grad=True)


def differences_agree(program: Callable[..., Tensor], *leaves: Tensor, call: str) -> None:
    """Raise CheckFailed unless backward gives what moving each number a little gives."""
    for x in leaves:
        x.grad = None
    program(*leaves).backward()
    for position, x in enumerate(leaves):
        numeric = np.zeros(x.shape)
        for index in np.ndindex(x.shape):
            values, middle = [], x.data[index]
            for step in (1e-6, -1e-6):
                x.data[index] = middle + step
                values.append(program(*leaves).item())
            x.data[index] = middle
            numeric[index] = (values[0] - values[1]) / 2e-6
        why = "moving each number by 0.000001 says so"
        where = f"the gradient of {call}, operand {position}"
        same(x.grad, numeric, call=where, why=why, rtol=1e-4, atol=1e-6)


@exercise("7")
def check_a_network_with_its_loss_has_the_gradient_that_differences_show() -> None:
    y = Tensor(np.array([0, 2, 1, 2]))

    def loss(x: Tensor, w1: Tensor, b1: Tensor, w2: Tensor, b2: Tensor) -> Tensor:
        return CrossEntropyLoss()(tanh(x @ w1 + b1) @ w2 + b2, y)

    shapes = ((4, 3), (3, 5), (5,), (5, 3), (3,))
    leaves = [leaf(*shape, seed=i) for i, shape in enumerate(shapes)]
    differences_agree(loss, *leaves, call="a network of two layers")


@exercise("7")
def check_attention_has_a_gradient_though_nobody_wrote_one_for_it() -> None:
    def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        weights = softmax(q @ k.transpose(-2, -1) / 2.0)  # (2, 3, 4) @ (2, 4, 5) -> (2, 3, 5)
        return (gelu(weights @ v) ** 2).mean()

    leaves = leaf(2, 3, 4, seed=0), leaf(2, 5, 4, seed=1), leaf(5, 4, seed=2)
    differences_agree(attend, *leaves, call="softmax(q @ k.T) @ v")


@exercise("7")
def check_a_loop_with_decisions_in_it_is_differentiated_as_it_ran() -> None:
    a = Tensor([2.0, 9.0, 0.25], np.float64, requires_grad=True)
    root = a / 2
    steps = 0
    while abs((root * root - a).data).max() > 1e-12:  # Newton's way to the square root
        root = (root + a / root) / 2
        steps += 1
        assert steps < 100, "Newton's steps do not arrive at the square root"
    root.sum().backward()
    same(a.grad, 0.5 / np.sqrt(a.data), call="Newton's square root", why="it is 1 / (2 sqrt(a))")


@exercise("7")
def check_values_that_are_used_again_stretched_and_indexed_get_every_share() -> None:
    def program(table: Tensor, row: Tensor) -> Tensor:
        taken = table[np.array([0, 2, 2, 1, 2])]  # (3, 4) -> (5, 4)
        mixed = taken * row + row - taken.max(axis=1, keepdims=True)
        return (mixed.reshape(2, 10).exp() / (1 + mixed.reshape(2, 10) ** 2)).sum(axis=0).mean()

    differences_agree(program, leaf(3, 4, seed=3), leaf(4, seed=4), call="rows that repeat")


@exercise("7")
def check_one_step_and_its_composed_form_have_one_gradient() -> None:
    rng = np.random.default_rng(5)
    layer = Linear(6, 4, rng=rng)
    x, y = Tensor(rng.standard_normal((8, 6))), np.array([0, 1, 2, 3, 3, 2, 1, 0])
    found = []
    for composed in (False, True):
        layer.zero_grad()
        if composed:
            scores = relu(x @ layer.weight + layer.bias)
            (-log_softmax(scores)[np.arange(8), y].mean()).backward()
        else:
            CrossEntropyLoss()(relu(layer(x)), Tensor(y)).backward()
        found.append([parameter.grad for parameter in layer.parameters()])
    for one, other in zip(*found, strict=True):
        same(
            one, other, call="linear and cross-entropy", why="their formulas written out", rtol=1e-3
        )


@exercise("7")
def check_five_thousand_operations_one_after_another_are_no_trouble() -> None:
    x = Tensor([1.0], np.float64, requires_grad=True)
    y = x
    for _ in range(5000):
        y = y * 1.0002
    y.sum().backward()
    same(x.grad, np.array([1.0002**5000]), call="5000 products", why="it is 1.0002 ** 5000")


@exercise("7")
def check_a_gradient_moves_a_network_downhill() -> None:
    rng = np.random.default_rng(6)
    model = Sequential(Linear(3, 8, rng=rng), tanh, Linear(8, 1, rng=rng))
    x, y = Tensor(rng.standard_normal((16, 3))), Tensor(rng.standard_normal((16, 1)))
    before = MSELoss()(model(x), y)
    before.backward()
    squared = 0.0
    for parameter in model.parameters():
        assert parameter.grad is not None, f"a parameter {parameter.shape} received no gradient"
        squared += float((parameter.grad.astype(np.float64) ** 2).sum())
        parameter.data = parameter.data - np.float32(1e-3) * parameter.grad
    with no_grad():
        fell = before.item() - MSELoss()(model(x), y).item()
    same(fell / 1e-3, squared, call="the fall per step", why="the gradient's square", rtol=0.05)


@exercise("7")
def check_a_wrong_gradient_is_found_out() -> None:
    def crooked(x: Tensor) -> Tensor:
        return (x * Tensor(x.data, np.float64)).sum()  # the second x is hidden from the graph

    with raises(GradientError, call="gradcheck of a gradient that is half of the right one"):
        gradcheck(crooked, Tensor([1.0, 2.0]))
    assert gradcheck(lambda x: (x * x).sum(), Tensor([1.0, 2.0])), "gradcheck of x * x"
