"""What users of PyTorch and NumPy type: each error names what it is called here.

The attributes of a tensor are in test_tensor.py.
"""

import re
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec

import numpy as np
import pytest

import tinytorch
from tinytorch import Tensor
from tinytorch._lazy import Signpost
from tinytorch.core import elsewhere
from tinytorch.core.errors import ShapeError
from tinytorch.core.primitive import Kernel, primitive
from tinytorch.data import DataLoader
from tinytorch.datasets import CIFAR10, MNIST, FashionMNIST
from tinytorch.nn import (
    GELU,
    CrossEntropyLoss,
    Linear,
    LogSoftmax,
    Module,
    ReLU,
    Sequential,
    Softmax,
)
from tinytorch.optim import SGD

ROWS = [
    (door, name)
    for door, names in elsewhere.NAMES.items()
    for name in names
    if door != "tinytorch.arch"  # which may not be installed, and has a test of its own
]


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
        + [*elsewhere.ATTRIBUTES.values(), *elsewhere.MODULES.values()]
        + [*elsewhere.ARGUMENTS.values()]
    )
    named = set(re.findall(r"tinytorch(?:\.\w+)+", told))
    assert len(named) > 20
    needs_arch = {path for path in named if path.startswith("tinytorch.arch")}
    for path in named - needs_arch - {"tinytorch.nn.Transformer"}:
        program = f"import tinytorch.core.context, tinytorch.core.layers; {path}"
        exec(program)


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("from tinytorch.utils.data import DataLoader", "utils'; here that is tinytorch.data"),
        ("from tinytorch.optim.lr_scheduler import StepLR", "scheduler'; here that is CosineSched"),
        ("import tinytorch.nn.utils", "nn.utils'; here that is tinytorch.optim.clip_grad_norm"),
        ("import tinytorch.nn.init", "'tinytorch.nn.init'; here that is kaiming_uniform,"),
    ],
)  # fmt: skip
def test_a_module_of_pytorch_says_what_it_is_called_here(program, words):
    with pytest.raises(ModuleNotFoundError, match=re.escape(words)):
        exec(program)


@pytest.mark.parametrize("tier", ["arch", "opt", "olympics"])
def test_a_tier_that_is_not_installed_says_what_to_install(tier):
    words = f"tinytorch.{tier} comes with tinytorch-{tier}, which is not installed: install tinyt"
    with pytest.raises(ModuleNotFoundError, match=words) as caught:
        Signpost().find_spec(f"tinytorch.{tier}")  # which Python asks last
    assert caught.value.name == f"tinytorch.{tier}"
    assert sum(isinstance(finder, Signpost) for finder in sys.meta_path) == 1


def test_other_missing_modules_are_told_as_python_tells_them():
    for name in ("tinytorch.nothing", "tinytorch.nn.nothing", "tinytorch.core.nothing", "nothing"):
        with pytest.raises(ModuleNotFoundError, match=f"^No module named '{name}'$"):
            import_module(name)
    assert find_spec("tinytorch.nothing") is None


def test_functions_are_where_pytorch_has_them():
    functions = import_module("tinytorch.nn.functional")
    assert tinytorch.nn.functional is functions
    x = Tensor([[-1.0, 2.0]])
    np.testing.assert_array_equal(functions.relu(x).data, [[0, 2]])
    assert functions.cross_entropy is import_module("tinytorch.core.losses").cross_entropy
    with pytest.raises(AttributeError, match="no attribute 'dropout'; here that is the layer Dro"):
        functions.dropout  # noqa: B018


MODEL = Sequential(Linear(3, 2))


@pytest.mark.parametrize("name", elsewhere.MODULES)
def test_an_attribute_of_pytorchs_modules_says_what_it_is_here(name):
    words = f"'Sequential' object has no attribute '{name}'; here that is "
    with pytest.raises(AttributeError, match=re.escape(words + elsewhere.MODULES[name])):
        getattr(MODEL, name)
    assert not hasattr(Module, name)


def test_a_module_may_have_an_attribute_that_pytorch_uses_otherwise():
    class Own(Module):
        def __init__(self):
            self.buffers = 3

        def apply(self, x):
            return x + self.buffers

    assert Own().apply(1) == 4


def test_the_list_of_parameters_says_so_where_an_iterator_is_expected():
    with pytest.raises(TypeError, match=r"a list here: model\.parameters\(\)\[0\]"):
        next(MODEL.parameters())
    assert [p.shape for p in MODEL.parameters()] == [(3, 2), (2,)]


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
        (lambda: ReLU(inplace=True), "ReLU() has no argument 'inplace'; here that is nothing:"),
        (
            lambda: GELU(approximate="tanh"),
            "GELU() has no argument 'approximate'; here that is not",
        ),
        (
            lambda: Linear(3, 2, device="cpu"),
            "Linear() has no argument 'device'; here that is noth",
        ),
        (lambda: MODEL.zero_grad(set_to_none=True), "'set_to_none'; here that is nothing: zero_gr"),
        (
            lambda: SGD(MODEL.parameters(), 0.1).zero_grad(set_to_none=True),
            "zero_grad() has no argument 'set_to_none'",
        ),
        (lambda: CrossEntropyLoss(ignore_index=0), "CrossEntropyLoss() has no argument 'ignore_in"),
        (lambda: CrossEntropyLoss(weight=[1]), "'weight'; here that is reduction="),
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
