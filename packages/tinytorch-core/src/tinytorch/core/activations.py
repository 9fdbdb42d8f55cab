"""Module 02: non-linearity. Six functions, each a primitive, and the layers that name them.

Without one of these between them, two linear layers are one linear layer. Left out: their
gradients (module 06), and variants that differ by a constant (leaky ReLU, SiLU).
"""

import math

import numpy as np

from tinytorch.core.elsewhere import explains_arguments
from tinytorch.core.primitive import Array, primitive
from tinytorch.core.tensor import Tensor


@primitive
def relu(x: Array) -> Array:
    """max(x, 0), element by element."""
    return np.maximum(x, 0)


@primitive
def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), computed so that exp never overflows."""
    e = np.exp(-np.abs(x))  # in (0, 1] for every x
    return np.where(x >= 0, 1, e) / (1 + e)


@primitive
def tanh(x: Array) -> Array:
    """The hyperbolic tangent, element by element."""
    return np.tanh(x)


@primitive
def gelu(x: Array) -> Array:
    """x times the probability that a standard normal variable is below x, by the tanh formula.

    Hendrycks and Gimpel, "Gaussian Error Linear Units", 2016, section 2; PyTorch's
    `approximate="tanh"`, and GPT-2's activation.
    """
    inner = math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)
    return 0.5 * x * (1 + np.tanh(inner))


@primitive
def softmax(x: Array, *, axis: int = -1) -> Array:
    """exp(x) divided by its sum over `axis`: positive, and summing to 1.

    The largest x is subtracted first: it cancels in the fraction, and exp cannot overflow.
    """
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


@primitive
def log_softmax(x: Array, *, axis: int = -1) -> Array:
    """log(softmax(x)) without ever taking the logarithm of a rounded-off zero."""
    shifted = x - x.max(axis=axis, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True))


class Activation:
    """A function as a layer: something to put into a list of layers."""

    @explains_arguments
    def __init__(self) -> None:
        pass

    def __call__(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v}' for k, v in vars(self).items())})"


class ReLU(Activation):
    """Layer form of `relu`: max(x, 0), element by element; any shape."""

    def __call__(self, x: Tensor) -> Tensor:
        return relu(x)


class Sigmoid(Activation):
    """Layer form of `sigmoid`: 1 / (1 + exp(-x)), element by element; any shape."""

    def __call__(self, x: Tensor) -> Tensor:
        return sigmoid(x)


class Tanh(Activation):
    """Layer form of `tanh`: element by element; any shape."""

    def __call__(self, x: Tensor) -> Tensor:
        return tanh(x)


class GELU(Activation):
    """Layer form of `gelu`: element by element, by the tanh formula; any shape."""

    def __call__(self, x: Tensor) -> Tensor:
        return gelu(x)


class Softmax(Activation):
    """Layer form of `softmax`: positive, and summing to 1 over `axis`; the shape stays."""

    @explains_arguments
    def __init__(self, axis: int = -1) -> None:
        self.axis = axis

    def __call__(self, x: Tensor) -> Tensor:
        return softmax(x, axis=self.axis)


class LogSoftmax(Activation):
    """Layer form of `log_softmax`: the logarithm of softmax over `axis`; the shape stays."""

    @explains_arguments
    def __init__(self, axis: int = -1) -> None:
        self.axis = axis

    def __call__(self, x: Tensor) -> Tensor:
        return log_softmax(x, axis=self.axis)
