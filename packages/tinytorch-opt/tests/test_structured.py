"""Module 16: a network with fewer channels computes what the large one does with silent channels.

Left out: how accurate it is (test_compressing.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinytorch import Tensor
from tinytorch.arch.convolutions import conv2d
from tinytorch.arch.embeddings import embedding
from tinytorch.arch.models import (
    DSCNN,
    AutoEncoder,
    CharGPT,
    CifarCNN,
    DigitViT,
    LeNet5,
    MobileNetV1,
    ResNet8,
    multiply_adds,
)
from tinytorch.core import primitive as door
from tinytorch.core.context import no_grad
from tinytorch.core.layers import linear
from tinytorch.core.ops import concatenate
from tinytorch.core.primitive import primitive
from tinytorch.core.serialization import to_bytes
from tinytorch.core.training import evaluating
from tinytorch.nn import (
    AdaptiveAvgPool2d,
    AvgPool2d,
    BatchNorm2d,
    Conv2d,
    CrossEntropyLoss,
    Dropout,
    Flatten,
    Linear,
    MaxPool2d,
    Module,
    ReLU,
    Sequential,
    Sigmoid,
    Softmax,
    Tanh,
)
from tinytorch.opt.quantization import quantize
from tinytorch.opt.structured import fitted, plan_shrinking, shrink, silenced
from tinytorch.optim import Adam

MODELS: dict[Callable[..., Module], tuple[int, ...]] = {
    LeNet5: (1, 28, 28),
    CifarCNN: (3, 32, 32),
    ResNet8: (3, 32, 32),
    DSCNN: (1, 49, 10),
    MobileNetV1: (3, 96, 96),
    AutoEncoder: (640,),
    DigitViT: (1, 28, 28),
}


def lived_in(model: Module, seed: int = 0) -> Module:
    """Give every value of a model, running statistics too, something else than it starts with."""
    rng = np.random.default_rng(seed)
    for module in model.modules():
        for name, tensor in module.own_tensors().items():
            if tensor.size > 1:
                low = 0.5 if name == "running_var" else -0.5
                tensor.data = rng.uniform(low, 1.0, tensor.shape).astype(np.float32)
                tensor.data *= np.float32(2 / np.sqrt(max(1, tensor.size // tensor.shape[-1])))
    return model


def images(*shape: int, seed: int = 1) -> Tensor:
    return Tensor(np.random.default_rng(seed).standard_normal((3, *shape), np.float32))


def answers(model: Module, x: Any) -> np.ndarray:
    with no_grad(), evaluating(model):
        return np.asarray(model(x).data)


def assert_equal_to_the_silenced(model: Module, x: Any, keep: Any, **how: Any) -> Module:
    small = shrink(model, x, keep=keep, **how)
    silent = silenced(model, plan_shrinking(model, x, keep=keep, **how))
    expected, full = answers(silent, x), answers(model, x)
    assert small.num_parameters() < model.num_parameters() == silent.num_parameters()
    scale = np.abs(expected).max()
    np.testing.assert_allclose(answers(small, x), expected, rtol=1e-4, atol=1e-5 * scale)
    assert not np.allclose(full, expected, rtol=1e-3)  # the channels that went had a say
    return small


# Equal to the large network with silent channels
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("importance", ["l1", "l2"])
def test_named_networks_compute_the_same_with_fewer_channels(model: Any, importance: str) -> None:
    x = images(*MODELS[model])
    big = lived_in(model())
    before = big.state_dict()
    small = assert_equal_to_the_silenced(big, x, 0.5, importance=importance)
    assert type(small) is model
    for name, array in big.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


def test_the_hidden_features_of_a_transformer_shrink_and_what_runs_through_it_stays() -> None:
    model = lived_in(CharGPT())
    tokens = np.random.default_rng(0).integers(0, 65, (2, 16))
    small = assert_equal_to_the_silenced(model, tokens, 0.25)
    assert {name: p.shape for name, p in small.named_parameters() if "mlp.hidden" in name} == {
        f"blocks.{i}.mlp.hidden.{name}": shape
        for i in range(4)
        for name, shape in (("weight", (128, 128)), ("bias", (128,)))
    }
    held = plan_shrinking(model, tokens, keep=0.5).held
    assert held["blocks.0.attention.query"].startswith("reshape in blocks.0.attention")
    assert "blocks.0.mlp.hidden" not in held


@st.composite
def networks(draw: st.DrawFn) -> tuple[Sequential, tuple[int, ...], float]:
    """A stack of layers for images or rows, drawn so that they fit together."""
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    channels, size = draw(st.integers(1, 3)), draw(st.sampled_from([6, 8]))
    shape: tuple[int, ...] = (channels, size, size)
    layers: list[Module] = []
    for _ in range(draw(st.integers(1, 3))):
        out = draw(st.integers(2, 5))
        layers.append(Conv2d(channels, out, 3, padding=1, bias=draw(st.booleans()), rng=rng))
        channels = out
        if draw(st.booleans()):
            layers.append(BatchNorm2d(channels, affine=draw(st.booleans())))
        layers.append(draw(st.sampled_from([ReLU(), Sigmoid(), Tanh(), Dropout()])))
        if draw(st.booleans()):
            layers.append(Conv2d(channels, channels, 3, padding=1, groups=channels, rng=rng))
        if size > 2 and draw(st.booleans()):
            layers.append(draw(st.sampled_from([MaxPool2d(2), AvgPool2d(2)])))
            size //= 2
    if draw(st.booleans()):
        layers.append(AdaptiveAvgPool2d(1))
        size = 1
    layers.append(Flatten())
    features = channels * size * size
    for _ in range(draw(st.integers(0, 2))):
        out = draw(st.integers(2, 6))
        layers += [Linear(features, out, bias=draw(st.booleans()), rng=rng), Sigmoid()]
        features = out
    layers.append(Linear(features, 3, rng=rng))
    return Sequential(layers), shape, draw(st.floats(0.1, 0.9))


@given(networks())
@settings(max_examples=60, deadline=None)
def test_any_stack_of_layers_computes_the_same_with_fewer_channels(drawn: Any) -> None:
    model, shape, keep = drawn
    lived_in(model)
    x = images(*shape)
    plan = plan_shrinking(model, x, keep=keep)
    small = shrink(model, x, keep=keep)
    np.testing.assert_allclose(
        answers(small, x), answers(silenced(model, plan), x), rtol=1e-4, atol=1e-5
    )
    for layer, (stay, were) in plan.kept.items():
        assert stay == max(1, round(keep * were))
        module = small[int(layer)]
        assert module.weight.shape[0 if isinstance(module, Conv2d) else 1] == stay


class Joined(Module):
    """Two convolutions side by side, their channels one after the other, and a product."""

    def __init__(self) -> None:
        self.left, self.right = Conv2d(2, 4, 3, padding=1), Conv2d(2, 6, 1)
        self.gate = Conv2d(10, 10, 1)
        self.last = Conv2d(10, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        joined = concatenate([self.left(x), self.right(x)], axis=1)
        return self.last(joined * self.gate(joined)).mean(axis=(2, 3))


def test_channels_that_are_joined_and_multiplied_are_followed() -> None:
    small = assert_equal_to_the_silenced(lived_in(Joined()), images(2, 5, 5), 0.5)
    assert small.gate.weight.shape == (5, 5, 1, 1)
    assert len(small.left.weight) + len(small.right.weight) == 5


class Skip(Module):
    """The input itself among the channels of a product: two of the gate's must stay."""

    def __init__(self) -> None:
        self.left, self.gate, self.last = Conv2d(2, 4, 1), Conv2d(6, 6, 1), Conv2d(6, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        joined = concatenate([self.left(x), x], axis=1)
        return self.last(joined * self.gate(joined)).mean(axis=(2, 3))


def test_channels_that_meet_an_input_stay_and_of_each_layer_one_does() -> None:
    small = assert_equal_to_the_silenced(lived_in(Skip()), images(2, 5, 5), {"gate": 0.1})
    assert len(small.left.weight) == 1
    assert small.gate.weight.shape == (3, 3, 1, 1)


class Twice(Module):
    """A layer that is called twice: its inputs and its outputs are the same channels."""

    def __init__(self) -> None:
        self.first, self.middle, self.last = Linear(4, 6), Linear(6, 6), Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(Tanh()(self.middle(Tanh()(self.middle(self.first(x))))))


def test_a_layer_that_is_called_twice_shrinks_on_both_sides() -> None:
    small = assert_equal_to_the_silenced(lived_in(Twice()), images(4), 0.5)
    assert small.middle.weight.shape == (3, 3)


# What goes
def test_channels_that_are_added_go_together() -> None:
    model = lived_in(ResNet8())
    plan = plan_shrinking(model, images(3, 32, 32), keep={"3.body.3": 0.25})
    assert plan.kept == {"0": (4, 16), "3.body.3": (4, 16)}
    np.testing.assert_array_equal(plan.stays["0.weight"][0], plan.stays["3.body.3.weight"][0])
    np.testing.assert_array_equal(plan.stays["0.weight"][0], plan.stays["4.shortcut.weight"][1])
    with pytest.raises(ValueError, match="share their channels"):
        shrink(model, images(3, 32, 32), keep={"0": 0.5, "3.body.3": 0.25})


@pytest.mark.parametrize(
    ("importance", "gone"), [("l1", [0, 1]), ("l2", [1, 2]), ("batch_norm", [2, 3])]
)
def test_the_least_important_channels_go(importance: str, gone: list[int]) -> None:
    model = Sequential(Conv2d(2, 4, 1), BatchNorm2d(4), ReLU(), Conv2d(4, 2, 1))
    model[0].weight.data[:, :, 0, 0] = [[3, 0.1], [1, 1.5], [2, 2], [-4, 4]]
    model[1].weight.data[...] = [1, -2, 0.5, 0.1]
    plan = plan_shrinking(model, images(2, 3, 3), keep={"0": 0.5}, importance=importance)
    assert np.flatnonzero(~plan.stays["0.weight"][0]).tolist() == gone


def test_of_a_flattened_channel_the_whole_block_goes() -> None:
    model = Sequential(Conv2d(1, 3, 3, padding=1), ReLU(), Flatten(), Linear(48, 2))
    model[0].weight.data[1] = 0.01
    small = shrink(model, images(1, 4, 4), keep={"0": 0.67})
    kept = np.delete(model[3].weight.data, np.arange(16, 32), axis=0)
    np.testing.assert_array_equal(small[3].weight.data, kept)


def test_depthwise_convolutions_and_running_statistics_follow() -> None:
    model = lived_in(DSCNN())
    small = shrink(model, images(1, 49, 10), keep={"0": 0.25})
    assert (small[4].groups, small[4].weight.shape) == (16, (16, 1, 3, 3))
    assert small[1].running_var.shape == small[5].running_mean.shape == (16,)
    assert small[7].weight.shape == (64, 16, 1, 1)
    assert model[4].groups == 64


def test_a_frozen_stem_is_left_alone_unless_it_is_named() -> None:
    model = lived_in(CifarCNN())
    model.whiten(np.random.default_rng(0).random((20, 3, 32, 32), np.float32))
    small = assert_equal_to_the_silenced(model, images(3, 32, 32), 0.5)
    np.testing.assert_array_equal(small.stem.weight.data, model.stem.weight.data)
    named = shrink(model, images(3, 32, 32), keep={"stem": 0.5})
    assert named.stem.weight.shape == (27, 3, 3, 3)
    assert not named.stem.weight.requires_grad


# What is gained
def test_products_and_bytes_shrink_as_counted_by_hand() -> None:
    model = LeNet5()
    small = shrink(model, images(1, 28, 28), keep=0.5)
    # of each layer: outputs x inputs of one output
    products = 3 * 784 * 25 + 8 * 100 * 3 * 25 + 60 * 200 + 42 * 60 + 10 * 42
    parameters = 3 * 26 + 8 * 76 + 60 * 201 + 42 * 61 + 10 * 43
    assert multiply_adds(small, 1, 28, 28) == products == 133_740
    assert small.num_parameters() == parameters == 15_738
    header = len(to_bytes(model.state_dict())) - 4 * 61_706
    assert abs(len(to_bytes(small.state_dict())) - 4 * parameters - header) < 64


def test_the_small_network_learns() -> None:
    small = shrink(LeNet5(rng=np.random.default_rng(0)), images(1, 28, 28), keep=0.5)
    optimizer = Adam(small.parameters(), lr=0.01)
    x, y = images(1, 28, 28), Tensor(np.array([1, 5, 7]))
    losses = []
    for _ in range(20):
        optimizer.zero_grad()
        loss = CrossEntropyLoss()(small(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2


def test_a_network_takes_the_shapes_of_a_smaller_one() -> None:
    for model, shape in ((LeNet5, (1, 28, 28)), (DSCNN, (1, 49, 10))):
        small = shrink(lived_in(model()), images(*shape), keep=0.3)
        again = fitted(model(), small.state_dict())
        np.testing.assert_array_equal(
            answers(again, images(*shape)), answers(small, images(*shape))
        )
    wider = {"0.weight": np.ones((3, 1, 2, 2)), "0.bias": np.ones(3)}
    assert fitted(Sequential(Conv2d(1, 1, 2)), wider)(images(1, 4, 4)).shape == (3, 3, 3, 3)
    with pytest.raises(ValueError, match="missing"):
        fitted(LeNet5(), {"0.weight": np.zeros((3, 1, 5, 5))})
    with pytest.raises(ValueError, match="does not fit"):
        fitted(Sequential(Linear(2, 2, bias=False)), {"0.weight": np.zeros(2)})


# What is refused
@pytest.fixture
def rolled() -> Iterator[Any]:
    """An operation that nobody has a rule for; it is forgotten afterwards, as others list all."""

    def rolled(x: np.ndarray) -> np.ndarray:
        return np.roll(x, 1, axis=1)

    yield primitive(rolled)
    door._PRIMITIVES.pop("rolled")


class Chain(Module):
    """Two layers, and a function between them."""

    def __init__(self, between: Callable[[Tensor], Tensor]) -> None:
        self.first, self.between, self.last = Linear(4, 6), between, Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.between(self.first(x)))


@pytest.mark.parametrize(
    ("between", "why"),
    [
        (Softmax(), "softmax in the model itself runs over it"),
        (lambda x: x.reshape(-1, 3, 2).reshape(-1, 6), "reshape in the model itself splits"),
        (lambda x: x * Tensor(np.arange(6.0, dtype=np.float32)), "mul in the model itself joins"),
        (lambda x: x - x.mean(axis=1, keepdims=True), "mean in the model itself runs over it"),
        (lambda x: x[:, :], "getitem in the model itself cannot be followed"),
    ],
)
def test_a_layer_that_cannot_be_followed_is_refused_with_the_operation(
    between: Any, why: str
) -> None:
    model, x = Chain(between), images(4)
    with pytest.raises(ValueError, match=f"^first cannot shrink: {why}"):
        shrink(model, x, keep={"first": 0.5})
    with pytest.raises(ValueError, match=f"no layer can shrink:\n  first: {why}"):
        shrink(model, x, keep=0.5)


def test_an_operation_without_a_rule_holds_what_it_meets(rolled: Any) -> None:
    with pytest.raises(ValueError, match="first cannot shrink: rolled in the model itself cannot"):
        shrink(Chain(rolled), images(4), keep={"first": 0.5})


class Sum(Module):
    """Two layers whose results are added, one of them after a softmax."""

    def __init__(self) -> None:
        self.free, self.held, self.last = Linear(4, 6), Linear(4, 6), Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.free(x) + Softmax()(self.held(x)))


def test_what_is_added_to_a_held_layer_is_held_with_it() -> None:
    with pytest.raises(ValueError, match="free cannot shrink: softmax in the model itself"):
        shrink(Sum(), images(4), keep={"free": 0.5})


def test_grouped_convolutions_are_refused() -> None:
    model = Sequential(Conv2d(2, 4, 1), Conv2d(4, 4, 1, groups=2), Conv2d(4, 2, 1))
    for layer in "01":
        with pytest.raises(ValueError, match=f"{layer} cannot shrink: conv2d in 1 has 2 groups"):
            shrink(model, images(2, 3, 3), keep={layer: 0.5})


class Functional(Module):
    """Operations with weights of their own, but without layers."""

    def __init__(self, operation: Callable[[Tensor, Tensor], Tensor], *shape: int) -> None:
        self.first, self.operation = Conv2d(2, 4, 1), operation
        self.weight = Tensor(np.ones(shape, np.float32), requires_grad=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.operation(self.first(x), self.weight)


@pytest.mark.parametrize(
    ("operation", "shape", "why"),
    [
        (
            lambda x, w: conv2d(x, w, None, groups=4),
            (4, 1, 1, 1),
            "conv2d in the model itself has 4 groups",
        ),
        (
            lambda x, w: linear(x.mean(axis=(2, 3)), w.exp(), None),
            (4, 2),
            "linear in the model itself has a weight that is computed",
        ),
        (
            lambda x, w: linear(x.mean(axis=(2, 3)), w, None) + embedding(np.zeros(3, int), w),
            (4, 2),
            "embedding in the model itself picks rows",
        ),
    ],
)
def test_operations_with_weights_of_their_own_are_refused_where_they_hold(
    operation: Any, shape: tuple[int, ...], why: str
) -> None:
    with pytest.raises(ValueError, match=f"first cannot shrink: {why}"):
        shrink(lived_in(Functional(operation, *shape)), images(2, 3, 3), keep={"first": 0.5})


def test_the_outputs_of_a_model_are_refused() -> None:
    with pytest.raises(ValueError, match="11 cannot shrink: the model returns it"):
        shrink(LeNet5(), images(1, 28, 28), keep={"11": 0.5})


def test_a_forward_with_sizes_of_its_own_is_refused() -> None:
    model = Chain(lambda x: x.reshape(-1, 6))
    with pytest.raises(ValueError, match=r"Chain cannot be called with fewer channels: .*size"):
        shrink(model, images(4), keep={"first": 0.5})


def test_what_a_trace_cannot_see_is_noticed() -> None:
    """The forward reads the number of channels outside of the door."""
    model = Chain(lambda x: x * float(x.shape[1]))
    with pytest.raises(ValueError, match="gives something else with fewer channels"):
        shrink(lived_in(model), images(4), keep={"first": 0.5})


def test_a_quantised_model_is_shrunk_before_and_one_without_channels_not_at_all() -> None:
    x = images(1, 28, 28)
    for how in (0.5, {"0": 0.5}):
        with pytest.raises(ValueError, match="shrink: LeNet5 is quantised: shrink it first, then"):
            shrink(quantize(LeNet5(), [x]), x, keep=how)
    with pytest.raises(ValueError, match="no layer can shrink: Sequential makes no channels"):
        shrink(Sequential(Softmax()), images(4), keep=0.5)


def test_weights_that_are_no_numbers_are_named() -> None:
    model = LeNet5()
    model.layers[3].bias.data[2] = np.nan  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match=r"^3\.bias holds NaN"):
        shrink(model, images(1, 28, 28), keep=0.5)


def test_a_share_is_told_with_its_layer_only_where_it_has_one() -> None:
    with pytest.raises(ValueError, match=r"^keep=50: the share"):
        shrink(LeNet5(), images(1, 28, 28), keep=50)
    with pytest.raises(ValueError, match=r"^keep=50 of layer 0: the share"):
        shrink(LeNet5(), images(1, 28, 28), keep={"0": 50})
    with pytest.raises(TypeError, match=r"keep='0.5': the share of channels to keep is a number"):
        shrink(LeNet5(), images(1, 28, 28), keep="0.5")  # type: ignore[arg-type]


@pytest.mark.parametrize("keep", [0, 1.5, -1, {"0": 0.0}])
def test_shares_that_make_no_sense_are_refused(keep: Any) -> None:
    with pytest.raises(ValueError, match="above 0, to 1"):
        shrink(LeNet5(), images(1, 28, 28), keep=keep)


def test_unknown_layers_and_measures_are_refused() -> None:
    x = images(1, 28, 28)
    with pytest.raises(KeyError, match="no layer called 'conv1' makes channels; there are 0, 3, 7"):
        shrink(LeNet5(), x, keep={"conv1": 0.5})
    with pytest.raises(ValueError, match="one of l1, l2, batch_norm"):
        shrink(LeNet5(), x, keep=0.5, importance="l3")
    with pytest.raises(ValueError, match="0 has no batch normalisation"):
        shrink(LeNet5(), x, keep=0.5, importance="batch_norm")


def test_keeping_everything_changes_nothing() -> None:
    model = LeNet5()
    small = shrink(model, images(1, 28, 28), keep=1.0)
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(small.state_dict()[name], array)
