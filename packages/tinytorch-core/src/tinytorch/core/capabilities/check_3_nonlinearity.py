"""Checkpoint 3: non-linearity. What two matrices alone cannot do, and an activation between can.

The weights are written down; nothing is trained here. Left out: gradients and layers.
"""

import math

import numpy as np

from tinytorch import Tensor
from tinytorch.core.activations import gelu, log_softmax, relu, sigmoid, softmax, tanh
from tinytorch.course.checking import exercise, same

CORNERS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)


@exercise("3")
def check_two_matrices_are_one_until_something_bends_between_them() -> None:
    rng = np.random.default_rng(0)
    x, first, second = (Tensor(rng.standard_normal(s)) for s in ((5, 3), (3, 8), (8, 2)))
    same((x @ first) @ second, x @ (first @ second), call="(x @ a) @ b", rtol=1e-4, atol=1e-5)
    bent = (relu(x @ first) @ second).data
    straight = (x @ (first @ second)).data
    assert not np.allclose(bent, straight, atol=0.1), "relu between two matrices changed nothing"


@exercise("3")
def check_two_units_and_a_relu_compute_xor() -> None:
    # Goodfellow, Bengio, Courville, Deep Learning, 2016, section 6.1
    x = Tensor(CORNERS)
    first, bias = Tensor([[1.0, 1.0], [1.0, 1.0]]), Tensor([0.0, -1.0])
    same(
        relu(x @ first + bias) @ Tensor([1.0, -2.0]),
        np.array([0, 1, 1, 0]),
        call="relu(x @ first + bias) @ second",
        why="of two inputs exactly one",
    )


@exercise("3")
def check_a_sum_of_bends_follows_a_curve() -> None:
    # piecewise linear through the squares of -3 ... 3: each relu adds 2 to the slope
    x = Tensor(np.arange(-3, 4, dtype=np.float32).reshape(-1, 1))
    knots = Tensor(np.arange(-2, 3, dtype=np.float32))
    curve = relu(x - knots).sum(axis=1) * 2 - 5 * (x[:, 0] + 3) + 9
    same(curve, np.array([9, 4, 1, 0, 1, 4, 9]), call="9 - 5 (x + 3) + sum of 2 relu(x - knot)")


@exercise("3")
def check_the_activations_know_each_other() -> None:
    numbers = np.linspace(-6, 6, 49)
    x = Tensor(numbers)
    same(relu(x) + relu(-x), np.abs(numbers), call="relu(x) + relu(-x)", why="it is |x|")
    same(sigmoid(x) + sigmoid(-x), np.ones(49), call="sigmoid(x) + sigmoid(-x)", why="it is 1")
    same(2 * sigmoid(2 * x) - 1, np.tanh(numbers), call="2 sigmoid(2x) - 1", why="it is tanh(x)")
    same(tanh(x), np.tanh(numbers), call="tanh(x)")
    exact = numbers * 0.5 * (1 + np.array([math.erf(n / math.sqrt(2)) for n in numbers]))
    same(gelu(x), exact, call="gelu(x)", why="x * P(normal < x)", rtol=0, atol=1e-3)


@exercise("3")
def check_scores_become_probabilities_along_any_axis() -> None:
    scores = np.random.default_rng(1).standard_normal((4, 3, 5))
    for axis in (-1, 0, 1):
        p = softmax(Tensor(scores), axis=axis)
        expected = np.exp(scores) / np.exp(scores).sum(axis=axis, keepdims=True)
        same(p, expected, call=f"softmax(scores, axis={axis})", rtol=1e-4)
        same(p.sum(axis=axis), np.ones(expected.sum(axis=axis).shape), call="their sum")
        logs = log_softmax(Tensor(scores), axis=axis)
        same(logs.exp(), expected, call=f"exp(log_softmax(scores, axis={axis}))", rtol=1e-4)


@exercise("3")
def check_numbers_far_out_stay_numbers() -> None:
    x = Tensor([-1000.0, 0.0, 1000.0])
    same(sigmoid(x), np.array([0, 0.5, 1]), call="sigmoid([-1000, 0, 1000])")
    same(softmax(x), np.array([0, 0, 1]), call="softmax([-1000, 0, 1000])")
    same(log_softmax(x), np.array([-2000, -1000, 0]), call="log_softmax([-1000, 0, 1000])")
    same(gelu(x), np.array([0, 0, 1000]), call="gelu([-1000, 0, 1000])")
