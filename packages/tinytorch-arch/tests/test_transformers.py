"""Module 13: normalisation, the block, and the model.

Values and gradients of `layer_norm` and `rms_norm` are compared in `test_arch_operations.py`.
"""

from __future__ import annotations

import doctest
import math
from itertools import pairwise
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from past_helper import Remembered

import tinytorch
from tinytorch import Tensor
from tinytorch.arch import transformers
from tinytorch.arch.kernels import norms
from tinytorch.arch.transformers import (
    GPT,
    MLP,
    LayerNorm,
    RMSNorm,
    Transformer,
    TransformerBlock,
    layer_norm,
    rms_norm,
)
from tinytorch.core.context import listening, no_grad, use
from tinytorch.core.errors import ShapeError
from tinytorch.core.primitive import Event
from tinytorch.core.serialization import load, save
from tinytorch.optim import Adam


def normal(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.standard_normal(shape, dtype=np.float32)


def tiny(seed: int = 0, **changes: Any) -> Transformer:
    """A model of a few thousand parameters, whose weights are large enough to tell them apart."""
    rng = np.random.default_rng(seed)
    sizes = {"vocab": 11, "d_model": 8, "n_heads": 2, "n_layers": 2, "context": 9}
    model = Transformer(**(sizes | changes), rng=rng)
    for parameter in model.parameters():
        parameter.data += 0.3 * normal(rng, *parameter.shape)
    return model


# Normalisation
@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    before=st.lists(st.integers(1, 40), max_size=2),
    features=st.integers(2, 300),
    rms=st.booleans(),
    with_weight=st.booleans(),
    eps=st.sampled_from([1e-6, 1e-2]),
    far=st.booleans(),
)
@example(
    seed=0, before=[20, 40], features=70, rms=False, with_weight=True, eps=1e-5, far=True
)  # many blocks, of both kinds
@example(seed=0, before=[20, 40], features=70, rms=True, with_weight=True, eps=1e-5, far=False)
def test_the_fast_forms_equal_the_plain_definitions(
    seed: int, before: list[int], features: int, rms: bool, with_weight: bool, eps: float, far: bool
) -> None:
    rng = np.random.default_rng(seed)
    x = normal(rng, *before, features) * 3 + normal(rng, features)
    if far and x.ndim > 1:
        x[: len(x) // 2] += 40  # these rows have to be centred first
    weight, bias = normal(rng, features), normal(rng, features)
    g = normal(rng, *before, features)
    found = []
    for kernels in ("plain", "fast"):
        operands = [Tensor(a, requires_grad=True) for a in (x, weight, bias)]
        given_weight = operands[1] if with_weight else None
        with use(kernels), mock.patch.object(norms, "STEP", 2048):
            if rms:
                out = rms_norm(operands[0], given_weight, eps=eps)
            else:
                out = layer_norm(operands[0], given_weight, operands[2], eps=eps)
            out.backward(g)
        found.append([out.data, *(t.grad for t in operands)])
    for plain, fast in zip(*found, strict=True):
        assert (plain is None) == (fast is None)
        if plain is not None:
            size = max(1.0, float(np.abs(plain).max()))
            np.testing.assert_allclose(fast, plain, 0, 2e-5 * size)


@pytest.mark.parametrize("shape", [(7,), (1, 1, 300)])
@pytest.mark.parametrize("with_bias", [True, False])
@pytest.mark.parametrize("far", [0, 40])
def test_a_single_row_that_keeps_nothing_is_normalised_like_any(
    shape: tuple[int, ...], with_bias: bool, far: float
) -> None:
    rng = np.random.default_rng(4)
    x, weight = normal(rng, *shape) + np.float32(far), normal(rng, shape[-1])
    bias = normal(rng, shape[-1]) if with_bias else None
    with use("plain"):
        plain = layer_norm(x, weight, bias, eps=0.1).data
    fast = layer_norm(x, weight, bias, eps=0.1).data
    assert fast.shape == shape
    np.testing.assert_allclose(fast, plain, 0, 2e-5)


def test_a_normalised_row_has_mean_0_and_variance_1_whatever_came_in() -> None:
    x = normal(np.random.default_rng(0), 5, 64) * 7 + 3
    y = LayerNorm(64)(Tensor(x)).data
    np.testing.assert_allclose(y.mean(axis=-1), 0, atol=1e-6)
    np.testing.assert_allclose(y.var(axis=-1), 1, 1e-5)
    np.testing.assert_allclose((RMSNorm(64)(Tensor(x)).data ** 2).mean(axis=-1), 1, 1e-5)


@pytest.mark.parametrize("kernels", ["plain", "fast"])
def test_nothing_comes_back_along_what_normalising_takes_away(kernels: str) -> None:
    """A constant added to x changes nothing, and neither does a factor: so says the gradient."""
    rng = np.random.default_rng(1)
    x = Tensor(normal(rng, 3, 16), requires_grad=True)
    with use(kernels):
        layer_norm(x, normal(rng, 16), None, eps=0.0).backward(normal(rng, 3, 16))
    assert np.abs(x.grad).max() > 0.1
    np.testing.assert_allclose(x.grad.sum(axis=-1), 0, atol=1e-5)
    np.testing.assert_allclose((x.grad * x.data).sum(axis=-1), 0, atol=1e-5)


@pytest.mark.parametrize("mean", [0, 3, 5, 1000])
def test_a_mean_far_from_0_costs_the_fast_layer_norm_no_digits(mean: float) -> None:
    x = (normal(np.random.default_rng(2), 20, 256) + mean).astype(np.float32)
    wide = x.astype(np.float64)
    exact = (wide - wide.mean(-1, keepdims=True)) / np.sqrt(wide.var(-1, keepdims=True) + 1e-5)
    worst = max(1e-5, mean * 1e-6)  # what rounding a mean of this size costs any form
    np.testing.assert_allclose(layer_norm(x, None, None).data, exact, 0, worst)


def test_the_fast_forms_keep_a_few_numbers_a_row() -> None:
    heard: list[Event] = []
    x = Tensor(np.ones((7, 5)), requires_grad=True)
    with listening(heard.append):
        LayerNorm(5)(x)
        RMSNorm(5)(x)
    layer, rms = (event.record for event in heard)
    assert layer.kernel is not None
    assert sum(kept.nbytes for kept in layer.saved) == 7 * 5 * 4
    assert rms.kernel is not None
    assert rms.saved.nbytes == 7 * 2 * 4


def test_parameters_that_do_not_fit_the_features_are_refused() -> None:
    x = np.ones((2, 3), np.float32)
    with pytest.raises(ShapeError, match=r"layer_norm: x of shape \(2, 3\) .* \(4,\); .* \(3,\)"):
        layer_norm(x, np.ones(4, np.float32), None)
    with pytest.raises(ShapeError, match=r"layer_norm: .* of shape \(2,\)"):
        layer_norm(x, None, np.ones(2, np.float32))
    with pytest.raises(ShapeError, match=r"rms_norm: .* of shape \(2, 3\)"):
        rms_norm(x, x)
    with pytest.raises(ShapeError, match="it has none"):
        rms_norm(np.float32(1), None)


def test_the_layers_have_the_names_that_pytorch_gives_their_parameters() -> None:
    assert set(LayerNorm(4).state_dict()) == {"weight", "bias"}
    assert set(LayerNorm(4, bias=False).state_dict()) == {"weight"}
    assert set(RMSNorm(4).state_dict()) == {"weight"}
    assert repr(LayerNorm(4)) == "LayerNorm(4, eps=1e-05)"
    assert repr(RMSNorm(4)) == "RMSNorm(4, eps=1e-06)"


# The block
def test_a_block_adds_attention_and_then_an_mlp_each_to_what_was_there() -> None:
    rng = np.random.default_rng(2)
    block = TransformerBlock(8, 2, rng=rng)
    x = Tensor(normal(rng, 2, 5, 8))
    middle = x + block.attention(block.norm1(x), is_causal=True)
    wanted = middle + block.mlp(block.norm2(middle))
    np.testing.assert_array_equal(block(x, is_causal=True).data, wanted.data)
    for layer in (block.attention.out, block.mlp.out):  # what neither step writes, stays
        layer.weight.data[...] = 0
        layer.bias.data[...] = 0
    np.testing.assert_array_equal(block(x).data, x.data)


@pytest.mark.oracle
def test_a_block_is_that_of_pytorch() -> None:
    import torch

    rng = np.random.default_rng(3)
    block = TransformerBlock(12, 3, hidden=20, rng=rng)
    for norm in (block.norm1, block.norm2):
        norm.weight.data += normal(rng, 12)
        norm.bias.data += normal(rng, 12)
    gelu = torch.nn.GELU(approximate="tanh")
    twin = torch.nn.TransformerEncoderLayer(
        12, 3, 20, dropout=0.0, activation=gelu, batch_first=True, norm_first=True
    )
    attention, mlp = block.attention, block.mlp
    parts = (attention.query, attention.key, attention.value)
    pairs = {
        "self_attn.in_proj_weight": np.concatenate([p.weight.data.T for p in parts]),
        "self_attn.in_proj_bias": np.concatenate([p.bias.data for p in parts]),
        "self_attn.out_proj.weight": attention.out.weight.data.T,
        "self_attn.out_proj.bias": attention.out.bias.data,
        "linear1.weight": mlp.hidden.weight.data.T,
        "linear1.bias": mlp.hidden.bias.data,
        "linear2.weight": mlp.out.weight.data.T,
        "linear2.bias": mlp.out.bias.data,
        "norm1.weight": block.norm1.weight.data,
        "norm1.bias": block.norm1.bias.data,
        "norm2.weight": block.norm2.weight.data,
        "norm2.bias": block.norm2.bias.data,
    }
    twin.load_state_dict({name: torch.tensor(np.array(value)) for name, value in pairs.items()})
    x, g = normal(rng, 2, 6, 12), normal(rng, 2, 6, 12)
    ours, theirs = Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    out, expected = block(ours), twin(theirs)
    out.backward(g)
    expected.backward(torch.tensor(g))
    np.testing.assert_allclose(out.data, expected.detach().numpy(), 2e-5, 5e-6)
    np.testing.assert_allclose(ours.grad, theirs.grad.numpy(), 2e-5, 1e-5)


def test_an_mlp_has_four_times_as_many_features_inside_unless_told() -> None:
    assert MLP(6).hidden.weight.shape == (6, 24)
    assert MLP(6, 10).out.weight.shape == (10, 6)


def test_a_block_can_normalise_without_a_mean() -> None:
    block = TransformerBlock(8, 2, norm=RMSNorm)
    assert isinstance(block.norm1, RMSNorm)
    assert isinstance(block.norm2, RMSNorm)
    assert block(Tensor(np.ones((1, 2, 8)))).shape == (1, 2, 8)


# The model
def test_with_targets_it_returns_the_mean_loss_of_its_logits() -> None:
    model = tiny()
    rng = np.random.default_rng(4)
    x, y = rng.integers(0, 11, (3, 7)), rng.integers(0, 11, (3, 7))
    logits = model(x).data.astype(np.float64)
    assert logits.shape == (3, 7, 11)
    p = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    wanted = -np.log(np.take_along_axis(p, y[..., None], axis=-1)).mean()
    loss = model(Tensor(x), Tensor(y))
    assert loss.shape == ()
    assert loss.item() == pytest.approx(wanted, rel=1e-5)


def test_before_training_every_token_is_equally_likely() -> None:
    model = Transformer(vocab=100, d_model=32, n_heads=4, rng=np.random.default_rng(5))
    x = np.random.default_rng(6).integers(0, 100, (4, 50))
    assert model(x[:, :-1], x[:, 1:]).item() == pytest.approx(math.log(100), abs=0.05)


def test_no_logit_knows_a_later_token() -> None:
    model = tiny()
    x = np.random.default_rng(7).integers(0, 11, (2, 8))
    before = model(x).data
    x[:, 5:] = (x[:, 5:] + 1) % 11
    after = model(x).data
    np.testing.assert_array_equal(before[:, :5], after[:, :5])
    assert (before[:, 5:] != after[:, 5:]).any(axis=-1).all()


def test_places_matter() -> None:
    model = tiny()
    logits = model(np.full((1, 6), 3)).data[0]
    assert all(np.abs(a - b).max() > 1e-3 for a, b in pairwise(logits))


def test_it_has_as_many_parameters_as_the_formula_says() -> None:
    vocab, d, layers, context = 50, 16, 3, 20
    each = 4 * (d * d + d) + (4 * d * d + 4 * d) + (4 * d * d + d) + 4 * d
    model = Transformer(vocab, d, 4, layers, context)
    assert model.num_parameters() == vocab * d + context * d + layers * each + 2 * d
    free = Transformer(vocab, d, 4, layers, context, tied=False)
    assert free.num_parameters() == model.num_parameters() + vocab * d
    assert "parameters" in repr(model)


def test_token_embeddings_learn_as_inputs_and_as_outputs() -> None:
    model = tiny()
    x = np.array([[1, 2, 3]])
    model(x, np.array([[2, 3, 4]])).backward()
    rows = np.abs(model.tokens.weight.grad).sum(axis=1)
    assert (rows > 0).all()  # as logits, all of them
    untied = tiny(tied=False)
    untied(x, np.array([[2, 3, 4]])).backward()
    rows = np.abs(untied.tokens.weight.grad).sum(axis=1)
    assert np.flatnonzero(rows).tolist() == [1, 2, 3]  # as inputs, those that were read
    assert np.flatnonzero(np.abs(model.positions.weight.grad).sum(axis=1)).tolist() == [0, 1, 2]


def test_weights_start_as_those_of_gpt2() -> None:
    model = Transformer(500, 128, 4, n_layers=8, rng=np.random.default_rng(8))
    for name, parameter in model.named_parameters():
        spread = float(parameter.data.std())
        if name.endswith("bias"):
            assert not parameter.data.any(), name
        elif "norm" in name:
            assert (parameter.data == 1).all(), name
        else:
            wanted = 0.02 / 4 if name.endswith("out.weight") else 0.02  # sqrt(2 * 8) = 4
            assert spread == pytest.approx(wanted, rel=0.03), name


def test_the_same_seed_gives_the_same_model() -> None:
    first, second, other = tiny(1), tiny(1), tiny(2)
    x = np.array([[1, 2, 3]])
    np.testing.assert_array_equal(first(x).data, second(x).data)
    assert (first(x).data != other(x).data).all()


def test_it_learns_a_sequence_by_heart() -> None:
    rng = np.random.default_rng(9)
    model = Transformer(11, 16, 2, n_layers=2, context=12, rng=rng)
    text = rng.integers(0, 11, (1, 13))
    optimizer = Adam(model.parameters(), lr=1e-2)
    for _ in range(60):
        optimizer.zero_grad()
        loss = model(text[:, :-1], text[:, 1:])
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.05
    assert (model(text[:, :-1]).data.argmax(axis=-1) == text[:, 1:]).all()


def test_dropout_drops_while_training_and_never_afterwards() -> None:
    model = tiny(dropout=0.5)
    x = np.array([[1, 2, 3]])
    assert (model(x).data != model(x).data).any()
    model.eval()
    np.testing.assert_array_equal(model(x).data, model(x).data)


def test_with_a_past_it_goes_on_where_it_stopped() -> None:
    model = tiny()
    x = np.random.default_rng(10).integers(0, 11, (2, 9))
    whole = model(x).data
    past = [Remembered() for _ in model.blocks]
    with no_grad():
        steps = [model(x[:, a:b], past=past).data for a, b in ((0, 4), (4, 5), (5, 9))]
    np.testing.assert_allclose(np.concatenate(steps, axis=1), whole, 1e-4, 1e-5)
    with pytest.raises(ShapeError, match="10 tokens, but its context is 9"):
        model(x[:, :1], past=past)


def test_it_is_saved_and_loaded_by_name(tmp_path: Any) -> None:
    model, other = tiny(1), tiny(2)
    save(model.state_dict(), tmp_path / "gpt.safetensors")
    other.load_state_dict(load(tmp_path / "gpt.safetensors"))
    x = np.array([[1, 2, 3]])
    np.testing.assert_array_equal(model(x).data, other(x).data)


def test_what_cannot_be_read_is_explained() -> None:
    model = tiny()
    with pytest.raises(ShapeError, match="10 tokens, but its context is 9: give it the last 9"):
        model(np.zeros((1, 10), int))
    with pytest.raises(ShapeError, match=r"\(batch, positions\), not \(3,\); x\[None\]"):
        model(np.array([1, 2, 3]))
    with pytest.raises(ShapeError, match=r"x \(1, 3\) and y \(1, 2\) differ"):
        model(np.zeros((1, 3), int), np.zeros((1, 2), int))
    with pytest.raises(ValueError, match="5 heads cannot share 8"):
        Transformer(11, 8, 5)


def test_it_is_found_where_the_books_look_for_it() -> None:
    assert tinytorch.nn.Transformer is Transformer is GPT is tinytorch.nn.GPT
    assert tinytorch.nn.LayerNorm is LayerNorm
    assert Transformer(vocab=1000, d_model=64, n_heads=4)(np.zeros((1, 2), int)).shape == (
        1,
        2,
        1000,
    )


def test_the_examples_in_its_text_are_true() -> None:
    result = doctest.testmod(transformers)
    assert result.attempted
    assert not result.failed
