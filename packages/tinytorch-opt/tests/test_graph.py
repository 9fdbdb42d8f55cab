"""What a trace says of a program: each call, and where its operands come from."""

import numpy as np
import pytest

from tinytorch import Tensor
from tinytorch.arch.models import CharGPT, ResNet8
from tinytorch.core.activations import relu
from tinytorch.core.layers import Dropout, Linear, Module, Sequential
from tinytorch.core.primitive import primitive
from tinytorch.nn import BatchNorm1d, ReLU
from tinytorch.opt.graph import Constant, Given, Made, State, trace


class Residual(Module):
    def __init__(self) -> None:
        self.inner = Sequential(Linear(3, 3), ReLU())
        self.scale = Tensor(np.ones(3, np.float32), requires_grad=True)

    def forward(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        h = self.inner(x) + y
        return h * self.scale * 2.0, y


def test_each_operand_is_an_input_a_parameter_a_result_or_a_constant() -> None:
    x = np.ones((2, 3), np.float32)
    graph = trace(Residual(), x, x)
    assert [node.name for node in graph.nodes] == ["linear", "relu", "add", "mul", "mul"]
    assert [node.inputs for node in graph.nodes[:4]] == [
        (Given(0), State("inner.0.weight"), State("inner.0.bias")),
        (Made(0),),
        (Made(1), Given(1)),
        (Made(2), State("scale")),
    ]
    assert isinstance(graph.nodes[4].inputs[1], Constant)
    assert graph.value(graph.nodes[4].inputs[1]) == 2
    assert graph.results == (Made(4), Given(1))


def test_a_node_knows_the_modules_it_was_called_in() -> None:
    graph = trace(Residual(), np.ones((2, 3)), np.ones((2, 3)))
    assert [node.path for node in graph.nodes[:3]] == [
        ("", "inner", "inner.0"),
        ("", "inner"),  # activations are functions: the one that calls them is named
        ("",),
    ]
    assert graph.nodes[0].layer == "inner.0"


def test_users_are_all_that_read_a_result_and_readers_all_that_read_a_parameter() -> None:
    graph = trace(ResNet8(), np.zeros((2, 3, 32, 32), np.float32))
    joined = [node for node in graph.nodes if node.name == "add"]
    assert len(joined) == 3
    for node in joined:
        (after,) = graph.users(node.index)
        assert after.name == "relu"
    assert [n.name for n in graph.users(2)] == ["conv2d", "add"]  # the block, and its shortcut
    assert [n.layer for n in graph.readers("3.body.0.weight")] == ["3.body.0"]


def test_a_parameter_that_is_used_twice_has_one_name() -> None:
    graph = trace(CharGPT(), np.zeros((1, 4), np.int64))
    assert [n.name for n in graph.readers("tokens.weight")] == ["embedding", "transpose"]


def test_outputs_of_one_call_are_told_apart() -> None:
    @primitive(differentiable=False)
    def halves(x):
        return x[:1], x[1:]

    class Split(Module):
        def forward(self, x: Tensor) -> Tensor:
            first, second = halves(x)
            return second - first

    graph = trace(Split(), np.ones((3, 2)))
    assert graph.nodes[0].shapes == ((1, 2), (2, 2))
    assert graph.nodes[1].inputs == (Made(0, 1), Made(0, 0))
    assert [n.index for n in graph.users(0, place=1)] == [1]
    assert graph.users(0, place=2) == []


def test_a_tensor_made_where_another_was_dropped_is_not_taken_for_it() -> None:
    class Drops(Module):
        def forward(self, x: Tensor) -> Tensor:
            dropped = [relu(x) for _ in range(100)]
            del dropped  # their places in memory are free, for the next tensors
            for one in [Tensor(np.ones(2, np.float32)) for _ in range(100)]:
                x = x + one
            return x

    graph = trace(Drops(), np.ones(2, np.float32))
    added = [node.inputs[1] for node in graph.nodes if node.name == "add"]
    assert len(added) == 100
    assert all(isinstance(source, Constant) for source in added)


def test_tracing_evaluates_and_leaves_the_model_as_it_was() -> None:
    model = Sequential(Linear(3, 3), BatchNorm1d(3), Dropout(0.5))
    before = model.state_dict()
    graph = trace(model, np.ones((4, 3), np.float32))
    names = [node.name for node in graph.nodes]
    assert names == ["linear", "reshape", "batch_norm2d_eval", "reshape"]
    assert all(module.training for module in model.modules())
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


def test_what_only_a_run_knows_has_no_value() -> None:
    graph = trace(Residual(), np.ones((2, 3)), np.ones((2, 3)))
    np.testing.assert_array_equal(graph.value(State("scale")), np.ones(3))
    with pytest.raises(ValueError, match="input 0 has a value only while the model runs"):
        graph.value(Given(0))


def test_a_model_that_returns_no_tensor_is_refused() -> None:
    class Says(Module):
        def forward(self, x: Tensor) -> str:
            return "hello"

    with pytest.raises(TypeError, match="Says returned a str, not a tensor"):
        trace(Says(), np.ones(2))


def test_it_prints_as_a_list_of_calls() -> None:
    lines = repr(trace(Residual(), np.ones((2, 3)), np.ones((2, 3)))).splitlines()
    words = "0 linear inner.0 input 0, inner.0.weight, inner.0.bias -> (2, 3)"
    assert lines[0].split() == words.split()
    assert lines[-1] == "results: #4, input 1"
