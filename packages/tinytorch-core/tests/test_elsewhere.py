"""What users of PyTorch and NumPy type: each error names what it is called here.

The attributes of a tensor are in test_tensor.py.
"""

import re
import subprocess
import sys
from importlib import import_module

import numpy as np
import pytest

import tinytorch
from tinytorch import Tensor
from tinytorch.core import elsewhere
from tinytorch.core.errors import ShapeError
from tinytorch.core.primitive import Kernel, primitive
from tinytorch.data import DataLoader
from tinytorch.datasets import CIFAR10, MNIST, FashionMNIST
from tinytorch.nn import LogSoftmax, Softmax

ROWS = [(door, name) for door, names in elsewhere.NAMES.items() for name in names]


@pytest.mark.parametrize(("door", "name"), ROWS)
def test_a_name_of_pytorch_says_what_it_is_called_here(door, name):
    instead = re.escape(elsewhere.NAMES[door][name])
    words = f"module '{door}' has no attribute '{name}'; here that is {instead}"
    with pytest.raises(AttributeError, match=words):
        getattr(import_module(door), name)
    assert not hasattr(import_module(door), name)
    with pytest.raises(ImportError, match=words):
        exec(f"from {door} import {name}")


def test_what_the_hints_name_exists():
    told = " ".join(
        [text for names in elsewhere.NAMES.values() for text in names.values()]
        + [*elsewhere.ATTRIBUTES.values(), *elsewhere.ARGUMENTS.values()]
    )
    named = set(re.findall(r"tinytorch(?:\.\w+)+", told))
    assert len(named) > 20
    for path in named:
        program = f"import tinytorch.core.layers, tinytorch.core.losses; {path}"
        exec(program)


def test_a_name_that_nobody_has_is_an_ordinary_error():
    with pytest.raises(AttributeError, match=r"module 'tinytorch.nn' has no attribute 'Liner'$"):
        import_module("tinytorch.nn").Liner  # noqa: B018
    with pytest.raises(ImportError, match=r"cannot import name 'Liner' from 'tinytorch.nn'"):
        exec("from tinytorch.nn import Liner")


def test_the_words_are_loaded_only_when_they_are_needed():
    program = "import sys, tinytorch.nn; print('tinytorch.core.elsewhere' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "False\n", done.stderr


SMALL, LARGE = (2, 3), (200, 300)  # a kernel runs on the large one


@pytest.mark.parametrize("shape", [SMALL, LARGE])
@pytest.mark.parametrize(
    "call",
    [
        lambda x: x.sum(dim=1),
        lambda x: x.mean(dim=1),
        lambda x: x.max(dim=1),
        lambda x: x.min(dim=1),
        lambda x: x.prod(dim=1),
        lambda x: x.var(dim=1),
        lambda x: x.std(dim=1),
        lambda x: x.any(dim=1),
        lambda x: x.all(dim=1),
        lambda x: x.argmax(dim=1),
        lambda x: x.argmin(dim=1),
        lambda x: tinytorch.sum(x, dim=0),
        lambda x: tinytorch.softmax(x, dim=0),
        lambda x: tinytorch.log_softmax(x, dim=0),
        lambda x: tinytorch.concatenate([x, x], dim=0),
        lambda x: tinytorch.stack([x, x], dim=0),
        lambda x: Softmax(dim=1),
        lambda x: LogSoftmax(dim=1),
    ],
)
def test_dim_is_refused_and_called_axis(call, shape):
    with pytest.raises(TypeError, match=r"has no argument 'dim'; here that is axis$"):
        call(Tensor(np.ones(shape)))


@pytest.mark.parametrize("name", ["sum", "mean", "max"])
def test_the_axis_of_a_reduction_still_goes_by_place(name):
    x = Tensor(np.arange(6.0).reshape(2, 3))
    assert getattr(x, name)(1, True).shape == (2, 1)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: DataLoader([1], num_workers=2), "'num_workers'; here that is prefetch,"),
        (lambda: MNIST(train=True), "MNIST() has no argument 'train'; here that is split="),
        (lambda: FashionMNIST(train=True), "FashionMNIST() has no argument 'train'"),
        (
            lambda: CIFAR10(root="data"),
            "'root'; here that is the environment variable TINYTORCH_DATA,",
        ),
        (
            lambda: tinytorch.relu(Tensor(np.ones(LARGE)), inplace=True),
            "relu() has no argument 'inplace'; here",
        ),
    ],
)
def test_an_argument_of_pytorch_says_what_it_is_called_here(call, words):
    with pytest.raises(TypeError, match=re.escape(words)):
        call()


def test_other_wrong_arguments_are_told_as_python_tells_them():
    with pytest.raises(TypeError, match=r"DataLoader.__init__\(\) got an .* 'workers'"):
        DataLoader([1], workers=2)
    with pytest.raises(TypeError, match=r"sum\(\) got an unexpected keyword argument 'axes'"):
        tinytorch.sum(Tensor([1.0]), axes=0)


def test_a_kernel_does_not_hide_an_argument_that_the_definition_refuses():
    @primitive
    def halved(x, *, times=1):
        return x / 2**times

    halved.kernels = {"fast": Kernel(lambda *_: (np.zeros(1), None), None)}
    assert halved(Tensor([4.0]), times=2).item() == 0  # the kernel's answer
    with pytest.raises(TypeError, match="unexpected keyword argument 'steps'"):
        halved(Tensor([4.0]), steps=2)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (np.exp, "no record for backward(). Use tinytorch.exp, or x.exp(), or np.exp(x.data)"),
        (np.tanh, "Use tinytorch.tanh, or np.tanh(x.data)"),
        (np.absolute, "Use tinytorch.abs, or x.abs(), or np.absolute(x.data)"),
        (np.sinh, "Use np.sinh(x.data) for an array"),
        (lambda x: np.maximum(x, 0), "Use tinytorch.maximum, or"),
        (lambda x: np.multiply(x, x.data), "Use tinytorch.mul, or"),
        (lambda x: np.ones(2) % x, "np.remainder takes no tensor"),
        (np.add.reduce, "np.add takes no tensor"),
        (lambda x: np.add.outer(np.ones(2), x), "np.add takes no tensor"),
        (lambda x: np.add(np.ones(2), x, out=np.ones(2)), "np.add takes no tensor"),
    ],
)
@pytest.mark.parametrize("requires_grad", [False, True])
def test_a_function_of_numpy_names_ours(call, words, requires_grad):
    with pytest.raises(TypeError, match=re.escape(words)):
        call(Tensor([1.0, 2.0], requires_grad=requires_grad))


@pytest.mark.parametrize("left", [np.array([3.0, 5.0], np.float32), np.float32(3)])
@pytest.mark.parametrize(
    "call",
    [
        lambda x, y: x + y,
        lambda x, y: x - y,
        lambda x, y: x * y,
        lambda x, y: x / y,
        lambda x, y: x**y,
        lambda x, y: x == y,
        lambda x, y: x != y,
        lambda x, y: x < y,
        lambda x, y: x <= y,
        lambda x, y: x > y,
        lambda x, y: x >= y,
    ],
)
def test_an_operator_between_an_array_and_a_tensor_gives_a_tensor(call, left):
    right = np.array([3.0, 2.0], np.float32)
    got = call(left, Tensor(right))
    assert type(got) is Tensor
    np.testing.assert_array_equal(got.data, call(left, right))


def test_a_matrix_times_a_tensor_gives_a_tensor_with_a_gradient():
    x = Tensor(np.arange(6.0).reshape(3, 2), requires_grad=True)
    got = np.ones((2, 3), np.float32) @ x
    assert type(got) is Tensor
    np.testing.assert_array_equal(got.data, [[6, 9], [6, 9]])
    got.sum().backward()
    np.testing.assert_array_equal(x.grad, [[2, 2], [2, 2], [2, 2]])


def test_a_tensor_becomes_an_array_where_numpy_asks_for_one():
    x = Tensor([1.0, 2.0])
    assert type(np.asarray(x)) is np.ndarray
    np.testing.assert_array_equal(np.concatenate([x, x]), [1, 2, 1, 2])
    np.testing.assert_allclose(x, [1, 2])


@pytest.mark.parametrize("shape", [(3, 0), (0,)])
@pytest.mark.parametrize(
    "call",
    [
        lambda x: tinytorch.softmax(x, axis=-1),
        lambda x: tinytorch.log_softmax(x, axis=-1),
        lambda x: x.max(),
        lambda x: x.min(axis=-1),
        lambda x: x.argmax(),
    ],
)
def test_the_largest_of_nothing_names_the_operation_and_the_shape(call, shape):
    with pytest.raises(ShapeError, match=rf"^\w+: shape {re.escape(str(shape))} has no elements"):
        call(Tensor(np.ones(shape)))
