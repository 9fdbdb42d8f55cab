"""Checkpoint 4: layers compose. A network of parts, counted, saved, loaded, switched to evaluation.

The facts come from NumPy on the same weights. Left out: training.
"""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from tinytorch import Tensor
from tinytorch.core.activations import ReLU, Tanh
from tinytorch.core.layers import Dropout, Linear, Module, Sequential
from tinytorch.core.serialization import load, save
from tinytorch.course.checking import exercise, raises, same


class Residual(Module):
    """x + body(x): a module with modules inside."""

    def __init__(self, width: int, rng: np.random.Generator) -> None:
        self.body = Sequential(Linear(width, width, rng=rng), Tanh())
        self.scale = Tensor(np.full(width, 0.5, np.float32), requires_grad=True)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x) * self.scale


def network(seed: int) -> Sequential:
    """Four numbers, a hidden layer, a residual block, three numbers."""
    rng = np.random.default_rng(seed)
    first, last = Linear(4, 6, rng=rng), Linear(6, 3, bias=False, rng=rng)
    return Sequential(first, ReLU(), Residual(6, rng), last)


def inputs() -> Any:
    return np.random.default_rng(5).standard_normal((7, 4)).astype(np.float32)


NAMES = ["0.weight", "0.bias", "2.scale", "2.body.0.weight", "2.body.0.bias", "3.weight"]


@exercise("4")
def check_every_parameter_is_found_once_under_its_name() -> None:
    model = network(0)
    names = [name for name, _ in model.named_parameters()]
    assert sorted(names) == sorted(NAMES), f"expected {sorted(NAMES)}, got {sorted(names)}"
    count = 4 * 6 + 6 + 6 + 6 * 6 + 6 + 6 * 3
    assert model.num_parameters() == count, f"expected {count}, got {model.num_parameters()}"
    assert Sequential(model, model).num_parameters() == count, (
        "a part that is used twice counts once"
    )
    one, other = Linear(3, 3, bias=False), Linear(3, 3, bias=False)
    other.weight = one.weight
    shared = Sequential(one, other).num_parameters()
    assert shared == 9, f"two layers with one weight (3, 3): expected 9 parameters, got {shared}"


@exercise("4")
def check_a_network_computes_what_its_parts_do() -> None:
    model, x = network(1), inputs()
    w = {name: parameter.data.astype(np.float64) for name, parameter in model.named_parameters()}
    h = np.maximum(x @ w["0.weight"] + w["0.bias"], 0)
    h = h + np.tanh(h @ w["2.body.0.weight"] + w["2.body.0.bias"]) * w["2.scale"]
    expected = h @ w["3.weight"]
    same(model(Tensor(x)), expected, call="model(x)", rtol=1e-4, atol=1e-5)
    deep = x.reshape(7, 1, 1, 4).repeat(2, axis=1)  # (7, 4) -> (7, 2, 1, 4)
    got = model(Tensor(deep))
    again = expected.reshape(7, 1, 1, 3).repeat(2, axis=1)
    same(got, again, call="model of (7, 2, 1, 4)", why="the last axis counts", atol=1e-5)


@exercise("4")
def check_a_saved_network_answers_as_before_in_another_one() -> None:
    model, other, x = network(2), network(3), Tensor(inputs())
    assert not np.allclose(model(x).data, other(x).data), "two seeds gave one network"
    with tempfile.TemporaryDirectory() as folder:
        save(model.state_dict(), Path(folder, "model.safetensors"))
        other.load_state_dict(load(Path(folder, "model.safetensors")))
    same(other(x), model(x), call="the loaded network", rtol=0, atol=0)


@exercise("4")
def check_a_state_is_a_copy_and_one_that_does_not_fit_changes_nothing() -> None:
    model, x = network(4), Tensor(inputs())
    before = model(x).data.copy()
    state = model.state_dict()
    state["0.weight"] += 1
    same(model(x), before, call="model(x)", why="its state_dict() was changed, not the model")
    del state["3.weight"]
    with raises(
        ValueError, r"3\.weight", words="3.weight", call="load_state_dict without 3.weight"
    ):
        model.load_state_dict(state)
    same(model(x), before, call="model(x)", why="a state that was refused changes nothing")


@exercise("4")
def check_dropout_thins_out_training_and_leaves_evaluation_alone() -> None:
    model = Sequential(Dropout(0.25, rng=np.random.default_rng(0)), Sequential(Dropout(0.0)))
    ones = np.ones((200, 200), np.float32)
    dropped = model.train()(Tensor(ones)).data
    kept = dropped[dropped != 0]
    share = kept.size / dropped.size
    assert abs(share - 0.75) < 0.02, f"Dropout(0.25): {share:.3f} of the elements were kept"
    same(kept, np.full(kept.size, 1 / 0.75), call="what was kept", why="scaled by 1/(1 - p)")
    same(model.eval()(Tensor(ones)), ones, call="in evaluation", why="nothing is dropped")


@exercise("4")
def check_a_signal_survives_ten_layers() -> None:
    rng = np.random.default_rng(6)
    x = Tensor(rng.standard_normal((256, 128)).astype(np.float32))
    layers = [Linear(128, 128, rng=rng) for _ in range(10)]
    for layer in layers:
        bound = 1 / np.sqrt(128)
        weight = layer.weight.data
        assert abs(weight).max() <= bound, f"a weight of Linear(128, 128) is beyond {bound:.4f}"
        same(weight.std(), bound / np.sqrt(3), call="the spread of its weights", rtol=0.03)
    scaled = Sequential([part for linear in layers for part in (linear, lambda x: x * 3**0.5)])
    spread = float(scaled(x).data.std())
    assert 0.5 < spread < 2, f"after ten layers a spread of 1 became {spread:.3g}"
