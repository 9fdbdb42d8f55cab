"""Checkpoints: the same gradients to the last bit, from less memory and one more forward."""

from __future__ import annotations

import functools
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinytorch
from tinytorch import Tensor
from tinytorch.arch.ops.normalization import BatchNorm1d
from tinytorch.arch.transformers import Transformer
from tinytorch.core.activations import gelu, relu, tanh
from tinytorch.core.autograd import gradcheck
from tinytorch.core.context import listening, no_grad, use
from tinytorch.core.errors import GradientError
from tinytorch.core.layers import Dropout, Linear, Module, Sequential
from tinytorch.core.measurement import peak_bytes
from tinytorch.core.primitive import Event
from tinytorch.nn import LayerNorm, ReLU
from tinytorch.opt.activation_checkpointing import (
    Checkpointed,
    CheckpointedSequential,
    checkpoint,
)
from tinytorch.opt.costs import cost_of
from tinytorch.opt.surgery import copy_of


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


def leaf(*shape: int, seed: int = 0) -> Tensor:
    return Tensor(normal(*shape, seed=seed), requires_grad=True)


def network(seed: int = 0, p: float = 0.0) -> Sequential:
    rng = np.random.default_rng(seed)
    own = np.random.default_rng(seed + 1)
    return Sequential(
        Linear(6, 16, rng=rng), gelu, Dropout(p, own), LayerNorm(16), Linear(16, 16, rng=rng),
        tanh, Dropout(p), Linear(16, 3, rng=rng),
    )  # fmt: skip


def after_backward(model: Module, run: Callable[[Tensor], Tensor], seed: int = 5) -> list[Any]:
    """Output, and the gradients of the input and of all parameters."""
    tinytorch.manual_seed(seed)
    model.zero_grad()
    x = leaf(4, 6, seed=seed)
    out = run(x)
    out.backward(normal(*out.shape, seed=seed + 1))
    return [out.data, x.grad, *(p.grad for p in model.parameters())]


def assert_equal(found: list[Any], expected: list[Any]) -> None:
    for x, y in zip(found, expected, strict=True):
        assert x is not None
        np.testing.assert_array_equal(x, y)


# The same gradients
@pytest.mark.parametrize("kernels", ["plain", "fast"])
@pytest.mark.parametrize("p", [0.0, 0.5])
def test_gradients_are_those_without_a_checkpoint_to_the_last_bit(kernels: str, p: float) -> None:
    with use(kernels):
        plain, twice = network(p=p), network(p=p)
        expected = after_backward(plain, plain)
        assert_equal(after_backward(twice, lambda x: checkpoint(twice, x)), expected)
        # both generators are now where they would be: the next step is the same, too
        again = after_backward(plain, plain, seed=8)
        assert_equal(after_backward(twice, lambda x: checkpoint(twice, x), seed=8), again)
    if p:
        assert (expected[0] != after_backward(plain, plain)[0]).any()


@settings(max_examples=25, deadline=None)
@given(layers=st.integers(1, 9), data=st.data())
def test_a_stack_in_any_number_of_segments_is_the_same_stack(
    layers: int, data: st.DataObject
) -> None:
    segments = data.draw(st.integers(1, layers))
    rng = np.random.default_rng(layers)
    stack: list[Any] = [
        (Linear(6, 6, rng=rng), relu, Dropout(0.3, rng))[i % 3] for i in range(layers)
    ]
    plain = Sequential(*stack)
    inside = CheckpointedSequential(stack, segments=segments)
    assert list(inside.state_dict()) == list(plain.state_dict())
    state = rng.bit_generator.state
    expected = after_backward(plain, plain)
    next_step = after_backward(plain, plain)
    rng.bit_generator.state = state
    assert_equal(after_backward(inside, inside), expected)
    assert_equal(after_backward(inside, inside), next_step)


def test_a_gpt_with_every_block_checkpointed_learns_the_same() -> None:
    tokens = np.random.default_rng(0).integers(0, 11, (2, 9))
    model = Transformer(11, 8, 2, 3, context=8, dropout=0.2, rng=np.random.default_rng(1))
    twin = copy_of(model)
    names = list(twin.state_dict())
    twin.blocks = [Checkpointed(block) for block in twin.blocks]  # type: ignore[misc]
    assert list(twin.state_dict()) == names
    for each in (model, twin):  # dropout of both draws from one generator each, of one state
        each(tokens[:, :-1], tokens[:, 1:]).backward()
    for (name, x), y in zip(model.named_parameters(), twin.parameters(), strict=True):
        assert x.grad is not None, name
        np.testing.assert_array_equal(y.grad, x.grad, err_msg=name)
    model.eval()
    twin.eval()  # the blocks' dropout, too
    np.testing.assert_array_equal(twin(tokens[:, :3]).data, model(tokens[:, :3]).data)


def test_a_checkpointed_module_trains_and_evaluates_as_it_is_told() -> None:
    drop = Checkpointed(Dropout(0.5, np.random.default_rng(0)))
    x = leaf(100)
    assert (drop(x).data == 0).any()
    drop.eval()
    np.testing.assert_array_equal(drop(x).data, x.data)


def test_finite_differences_agree_through_several_outputs_and_nested_checkpoints() -> None:
    def inner(x: Tensor, y: Tensor) -> Tensor:
        return tanh(x * y) + x

    def outer(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        h = checkpoint(inner, x, y=y)
        return h * h, tanh(h) + y

    def both(x: Tensor, y: Tensor) -> Tensor:
        a, b = checkpoint(outer, x, y)
        return a * 2.0 + b * y

    assert gradcheck(both, normal(3, 2), normal(3, 2, seed=1))
    assert gradcheck(lambda x, y: checkpoint(outer, x, y)[1], normal(3, 2), normal(2))


def test_what_goes_straight_through_or_is_not_used_is_handled() -> None:
    x, y = leaf(3), leaf(3, seed=1)
    same, other = checkpoint(lambda a, b: (a, b * 2.0), x, y)
    same.backward(np.ones(3))
    np.testing.assert_array_equal(x.grad, np.ones(3))
    assert y.grad is None or not y.grad.any()
    assert other.requires_grad

    (alone,) = checkpoint(lambda a: [a * 2.0], x)  # a list of one stays several
    assert alone.shape == (3,)

    detached = checkpoint(lambda a: Tensor(a.data), x)
    assert not (detached * 1.0).sum().data.shape
    (detached * x).sum().backward()  # the constant part hands nothing back
    np.testing.assert_allclose(x.grad, 1 + x.data)


def test_a_parameter_used_in_two_parts_and_outside_receives_all_its_gradients() -> None:
    w = leaf(4, 4)
    x = leaf(2, 4, seed=1)

    def loss(through: Callable[..., Any]) -> list[Any]:
        w.grad = x.grad = None
        h = through(lambda t: tanh(t @ w), x)
        h = through(lambda t, u: relu(t @ u), h, w)  # as an argument, this time
        ((h @ w) ** 2.0).sum().backward()
        return [w.grad, x.grad]

    expected = loss(lambda f, *args: f(*args))
    for found, wanted in zip(loss(checkpoint), expected, strict=True):
        np.testing.assert_allclose(found, wanted, 1e-5, 1e-6)  # in another order of sums


def test_data_needs_no_gradient_for_parameters_to_have_theirs() -> None:
    layer = Linear(3, 2)
    checkpoint(layer, Tensor(normal(4, 3))).sum().backward()
    assert layer.weight.grad is not None
    assert layer.bias is not None
    np.testing.assert_allclose(layer.bias.grad, [4, 4])


def test_two_backward_passes_add_up() -> None:
    layer, x = Linear(3, 2), leaf(4, 3)
    out = checkpoint(layer, x)
    out.backward(np.ones((4, 2)), retain_graph=True)
    once = layer.weight.grad.copy()  # type: ignore[union-attr]
    out.backward(np.ones((4, 2)))
    np.testing.assert_allclose(layer.weight.grad, 2 * once)


def test_running_statistics_are_moved_once() -> None:
    plain, twice = BatchNorm1d(6), BatchNorm1d(6)
    assert_equal(
        after_backward(twice, lambda x: checkpoint(twice, x)), after_backward(plain, plain)
    )
    for name, value in plain.state_dict().items():
        np.testing.assert_array_equal(twice.state_dict()[name], value, err_msg=name)


def test_a_checkpointed_module_has_the_state_of_the_module() -> None:
    norm = BatchNorm1d(6)
    inside = Checkpointed(norm)
    assert list(inside.state_dict()) == list(norm.state_dict())
    assert [name for name, _ in inside.named_parameters()] == ["weight", "bias"]


def test_the_second_run_has_the_kernels_of_the_first() -> None:
    layer, x = LayerNorm(6), leaf(4, 6)
    for kernels in ("plain", "fast"):
        with use(kernels):
            out = checkpoint(layer, x).sum()
        heard: list[Event] = []
        with listening(heard.append):
            out.backward()
        (again,) = (e for e in heard if e.kind == "forward" and "norm" in e.record.primitive.name)
        assert (again.record.kernel is None) == (kernels == "plain")


# Where no gradient is wanted
def test_without_gradients_it_is_the_plain_call() -> None:
    heard: list[str] = []
    layer = Linear(3, 2)
    with no_grad(), listening(lambda event: heard.append(event.record.primitive.name)):
        out = checkpoint(layer, leaf(4, 3))
    assert heard == ["linear"]
    assert not out.requires_grad
    assert not checkpoint(lambda x: x * 2.0, Tensor([1.0])).requires_grad


# What it costs
def flops_of(step: Callable[[], Any]) -> tuple[int, int]:
    """FLOPs of products, forward and backward."""
    total = {"forward": 0, "backward": 0}

    def hear(event: Event) -> None:
        found = cost_of(event)
        assert found is not None, event.record.primitive.name
        total[event.kind] += found.flops

    with listening(hear):
        step()
    return total["forward"], total["backward"]


def test_it_costs_one_more_forward_and_the_last_segment_none() -> None:
    rng = np.random.default_rng(0)
    layers = [layer for _ in range(4) for layer in (Linear(8, 8, rng=rng), ReLU())]
    plain = Sequential(*layers)
    x = leaf(5, 8)
    forward, backward = flops_of(lambda: plain(x).sum().backward())
    assert forward == 4 * 2 * 5 * 8 * 8
    assert flops_of(lambda: checkpoint(plain, x).sum().backward()) == (2 * forward, backward)
    for segments, again in ((1, 0), (2, 2), (4, 3)):
        inside = CheckpointedSequential(layers, segments=segments)
        found = flops_of(lambda inside=inside: inside(x).sum().backward())
        assert found == (forward + again * forward // 4, backward)


def deep(layers: int, kind: type[Sequential] = Sequential, **how: Any) -> Sequential:
    """So many layers of 32 units, each with a ReLU."""
    rng = np.random.default_rng(0)
    units = [Sequential(Linear(32, 32, rng=rng), ReLU()) for _ in range(layers)]
    return kind(*units, **how)


def step_bytes(model: Module, x: Tensor) -> int:
    def step() -> None:
        model(x).sum().backward()
        model.zero_grad()

    return peak_bytes(step)


def test_memory_grows_with_the_root_of_the_depth() -> None:
    """In units of one layer's output: n without, the inputs of k parts and the inside of one with.

    On top of both come the gradients on their way, and the outputs compared: a handful.
    """
    x = Tensor(normal(8192, 32))
    unit = x.nbytes
    for layers, root in ((16, 4), (64, 8)):
        plain = step_bytes(deep(layers), x) / unit
        inside = step_bytes(deep(layers, CheckpointedSequential), x) / unit
        assert layers <= plain <= layers + 5
        assert 2 * root - 2 <= inside <= 2 * root + 5


def test_blocks_of_a_gpt_keep_only_what_goes_into_them() -> None:
    tokens = np.random.default_rng(0).integers(0, 11, (8, 65))

    def taken(wrap: Callable[[Any], Any]) -> int:
        model = Transformer(11, 32, 2, 6, context=64, rng=np.random.default_rng(0))
        model.blocks = [wrap(block) for block in model.blocks]

        def step() -> None:
            model(tokens[:, :-1], tokens[:, 1:]).backward()
            model.zero_grad()

        step()
        return peak_bytes(step)

    assert taken(Checkpointed) < taken(lambda block: block) / 3


def test_what_a_checkpoint_kept_goes_with_its_record() -> None:
    """After backward, the output that is still held does not hold the arguments."""
    layer = Linear(4, 4)
    kept: list[Tensor] = []

    def step() -> None:
        kept.append(checkpoint(layer, Tensor(normal(50_000, 4))).sum())
        kept[-1].backward()

    tracemalloc.start()
    step()
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 100_000  # the arguments alone are 800,000 bytes


def test_an_output_that_is_held_does_not_hold_the_others() -> None:
    tracemalloc.start()
    large, small = checkpoint(lambda x: (x * 2.0, x.sum()), leaf(200_000))
    (large.sum() + small).backward()
    del large
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 100_000  # one of them is 800,000 bytes


# What is refused
def test_a_tensor_computed_outside_must_be_an_argument() -> None:
    outside = leaf(3) * 2.0
    with pytest.raises(GradientError, match=r"uses a tensor \(3,\) .* outside, by mul: give it as"):
        checkpoint(lambda x: x * outside, leaf(3))


def test_a_function_that_draws_anew_is_caught_in_backward() -> None:
    class Hidden:
        rng = np.random.default_rng(0)

    def noisy(x: Tensor) -> Tensor:
        return x * Hidden.rng.standard_normal(x.shape)

    out = checkpoint(noisy, leaf(3))
    with pytest.raises(GradientError, match="run a second time, noisy gave other numbers"):
        out.sum().backward()


def test_another_shape_in_the_second_run_is_caught_and_a_nan_is_not() -> None:
    lengths = iter((3, 2))
    out = checkpoint(lambda x: x[: next(lengths)] * 1.0, leaf(3))
    with pytest.raises(GradientError, match=r"shapes \(3,\) and \(2,\), largest difference inf"):
        out.sum().backward()
    x = Tensor([np.nan, np.inf, 1.0], requires_grad=True)
    checkpoint(lambda x: x * 2.0, x).sum().backward()
    np.testing.assert_array_equal(x.grad, [2, 2, 2])


@pytest.mark.parametrize("how", ["method", "partial", "argument", "list", "closure"])
def test_generators_are_found_where_a_function_names_them(how: str) -> None:
    rng = np.random.default_rng(0)
    drop = Dropout(0.5, rng)
    drops = [drop]

    def with_rng(x: Tensor, rng: np.random.Generator) -> Tensor:
        return x * rng.standard_normal(x.shape)

    functions: dict[str, Callable[[Tensor], Any]] = {
        "method": lambda x: checkpoint(drop.forward, x),
        "partial": lambda x: checkpoint(functools.partial(with_rng, rng=rng), x),
        "argument": lambda x: checkpoint(with_rng, x, rng),
        "list": lambda x: checkpoint(lambda t: drops[0](t), x),
        "closure": lambda x: checkpoint(lambda t: drop(t) * t, x),
    }
    x = leaf(50)
    functions[how](x).sum().backward()
    assert x.grad is not None
    assert x.grad.any()


@pytest.mark.parametrize(
    ("function", "message"),
    [(lambda x: x.argmax(), "returned a tensor of int64"), (lambda x: 3.0, "returned float")],
)
def test_other_results_are_refused(function: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        checkpoint(function, leaf(3))


def test_an_argument_changed_in_between_is_refused() -> None:
    x = leaf(3)
    out = checkpoint(tanh, x)
    x.data += 1
    with pytest.raises(GradientError, match="changed in place"):
        out.sum().backward()


def test_segments_that_make_no_sense_are_refused() -> None:
    for segments in (0, 3):
        with pytest.raises(ValueError, match=f"2 layers cannot be cut into {segments} segments"):
            CheckpointedSequential(relu, relu, segments=segments)
    assert "segments=2" in repr(CheckpointedSequential([relu] * 4))
    assert repr(Checkpointed(Linear(2, 3))) == "Checkpointed(Linear)"
