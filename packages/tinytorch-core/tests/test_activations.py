"""Module 02: activations as layers. Their values and gradients are in test_operations.py."""

import numpy as np
import pytest

from tinytorch.core import activations
from tinytorch.core.activations import Activation, LogSoftmax, Softmax, sigmoid
from tinytorch.core.context import use
from tinytorch.core.tensor import Tensor


def some(*shape):
    return Tensor(np.random.default_rng(0).standard_normal(shape))


@pytest.mark.parametrize(
    ("layer", "function"),
    [
        ("ReLU", "relu"),
        ("Sigmoid", "sigmoid"),
        ("Tanh", "tanh"),
        ("GELU", "gelu"),
        ("Softmax", "softmax"),
        ("LogSoftmax", "log_softmax"),
    ],
)
def test_a_layer_does_what_its_function_does(layer, function):
    x = some(2, 3, 4)
    expected = getattr(activations, function)(x).data
    np.testing.assert_array_equal(getattr(activations, layer)()(x).data, expected)


def test_softmax_layers_sum_to_one_over_the_last_axis_or_the_one_they_are_given():
    x = some(2, 3, 4)
    for axis, layer in [(-1, Softmax()), (0, Softmax(0)), (1, Softmax(axis=1))]:
        np.testing.assert_allclose(layer(x).data.sum(axis=axis), 1, rtol=1e-6)
    for axis, layer in [(-1, LogSoftmax()), (0, LogSoftmax(0)), (1, LogSoftmax(axis=1))]:
        np.testing.assert_allclose(np.exp(layer(x).data).sum(axis=axis), 1, rtol=1e-6)


def test_repr_names_the_layer_and_its_axis():
    assert repr(activations.ReLU()) == "ReLU()"
    assert repr(Softmax(axis=1)) == "Softmax(axis=1)"


def test_an_activation_of_ones_own_has_to_say_what_it_computes():
    class Swish(Activation):
        pass

    with pytest.raises(NotImplementedError):
        Swish()(some(2))


@pytest.mark.parametrize("kernels", ["plain", "fast"])
def test_sigmoid_of_huge_numbers_is_zero_or_one_without_a_warning(kernels):
    with use(kernels):
        assert sigmoid(Tensor([-1e4, 0.0, 1e4])).tolist() == [0, 0.5, 1]
