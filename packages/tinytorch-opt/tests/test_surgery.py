"""Copies of models with modules exchanged: independent of the first, and otherwise the same."""

import numpy as np
import pytest

from tinytorch import Tensor
from tinytorch.arch.models import CharGPT, LeNet5, ResNet8
from tinytorch.core.layers import Linear, Module, Sequential
from tinytorch.nn import ReLU
from tinytorch.opt.surgery import copy_of, module_at, replaced


def test_a_copy_computes_the_same_and_shares_no_array() -> None:
    x = np.random.default_rng(0).random((2, 3, 32, 32), np.float32)
    model = ResNet8(rng=np.random.default_rng(1)).eval()
    copy = copy_of(model)
    np.testing.assert_array_equal(copy(Tensor(x)).data, model(Tensor(x)).data)
    pairs = zip(model.parameters(), copy.parameters(), strict=True)
    assert not any(np.shares_memory(a.data, b.data) for a, b in pairs)
    copy.parameters()[0].data[...] = 0
    assert model.parameters()[0].data.any()


def test_a_copy_keeps_what_is_shared_frozen_or_in_evaluation() -> None:
    model = CharGPT().eval()
    model.positions.weight.requires_grad = False
    copy = copy_of(model)
    assert copy.num_parameters() == model.num_parameters() == 818_048
    assert copy.state_dict().keys() == model.state_dict().keys()
    assert not copy.positions.weight.requires_grad
    assert copy.tokens.weight.requires_grad
    assert not copy.training


def test_gradients_and_graphs_are_not_copied() -> None:
    model = Linear(2, 2)
    model(Tensor(np.ones((1, 2)))).sum().backward()
    copy = copy_of(model)
    assert model.weight.grad is not None
    assert copy.weight.grad is None
    assert copy.weight.node is None


def test_modules_are_exchanged_in_attributes_lists_and_sequences_of_a_copy() -> None:
    model = CharGPT()
    new = Linear(128, 128)
    other = replaced(model, {"blocks.1.attention.out": new})
    assert module_at(other, "blocks.1.attention.out") is new
    assert module_at(model, "blocks.1.attention.out") is not new
    net = LeNet5()
    other = replaced(net, {"0": ReLU2(), "11": Linear(84, 3)})
    assert isinstance(other.layers[0], ReLU2)
    assert isinstance(other.layers[1], ReLU)
    assert other.layers[11].weight.shape == (84, 3)
    assert net.layers[11].weight.shape == (84, 10)


class ReLU2(Module):
    def forward(self, x: Tensor) -> Tensor:
        return x


def test_a_module_in_two_places_is_exchanged_in_both() -> None:
    shared = Linear(2, 2)
    new = Linear(2, 2)
    other = replaced(Sequential(shared, shared), {"0": new})
    assert other.layers == [new, new]


def test_a_name_that_there_is_none_of_is_refused_with_those_there_are() -> None:
    with pytest.raises(KeyError, match=r"Sequential has no module '1'; there are 0"):
        replaced(Sequential(Linear(2, 2)), {"1": Linear(2, 2)})
    with pytest.raises(ValueError, match="names the model itself"):
        replaced(Sequential(Linear(2, 2)), {"": Linear(2, 2)})
