"""Module 12: who may look at whom, what is answered, and the layer with several heads.

Values and gradients of `scaled_dot_product_attention` itself are compared in
`test_arch_operations.py`, for the cases of `cases_attention.py`.
"""

from __future__ import annotations

import doctest
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from past_helper import Remembered

import tinytorch
from tinytorch import Tensor
from tinytorch.arch import attention
from tinytorch.arch.attention import (
    MultiHeadAttention,
    attention_weights,
    causal_mask,
    scaled_dot_product_attention,
)
from tinytorch.core.autograd import gradcheck
from tinytorch.core.context import listening, use
from tinytorch.core.errors import ShapeError
from tinytorch.core.primitive import Event

pytestmark = pytest.mark.once


def normal(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.standard_normal(shape, dtype=np.float32)


def composed(q: Tensor, k: Tensor, v: Tensor, mask: Any = None) -> Tensor:
    """Attention from operations of core, as the formula is written."""
    scores = q @ k.mT / q.shape[-1] ** 0.5
    if mask is not None:
        scores = tinytorch.masked_fill(scores, ~np.asarray(mask), value=-np.inf)
    return tinytorch.softmax(scores) @ v


def gradients(function: Any, arrays: list[np.ndarray], weight: np.ndarray) -> list[np.ndarray]:
    """The output of `function`, and the gradients of its operands."""
    operands = [Tensor(x, requires_grad=True) for x in arrays]
    out = function(*operands)
    out.backward(weight)
    return [out.data, *(x.grad for x in operands)]


# The fused form
@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    batch=st.integers(1, 5),
    heads=st.integers(1, 4),
    queries=st.integers(1, 90) | st.sampled_from([128, 200]),  # of one block, or of several
    more_keys=st.integers(0, 70),
    features=st.integers(1, 9),
    spread=st.sampled_from([0.5, 6.0]),
    is_causal=st.booleans(),
    masked=st.sampled_from([None, "keys", "pairs", "examples", "all"]),
    as_heads=st.booleans(),
)
@example(0, 1, 2, 200, 5, 4, 0.5, True, None, True)
def test_the_fast_form_equals_the_plain_definition_and_the_composed_one(
    seed: int,
    batch: int,
    heads: int,
    queries: int,
    more_keys: int,
    features: int,
    spread: float,
    is_causal: bool,
    masked: str | None,
    as_heads: bool,
) -> None:
    rng = np.random.default_rng(seed)
    keys = queries + more_keys
    shapes = [(batch, heads, n, features) for n in (queries, keys, keys)]
    arrays = [
        normal(rng, *shape) * scale
        for shape, scale in zip(shapes, (spread, spread, 1), strict=True)
    ]
    if as_heads:  # as reshape and transpose leave them: (batch, positions, heads, features)
        arrays = [np.ascontiguousarray(x.swapaxes(1, 2)).swapaxes(1, 2) for x in arrays]
    sizes = {
        "keys": (keys,),
        "pairs": (queries, keys),
        "examples": (batch, 1, 1, keys),
        "all": (batch, heads, queries, keys),
    }
    mask = None
    if masked is not None:
        mask = rng.random(sizes[masked]) < 0.6
        mask[..., 0] = True  # the composed form gives nan where nothing may be seen
    weight = normal(rng, *shapes[0])

    def fused(*operands: Tensor) -> Tensor:
        return scaled_dot_product_attention(*operands, mask, is_causal=is_causal)

    def in_steps(*operands: Tensor) -> Tensor:
        causal = causal_mask(queries, keys) if is_causal else np.True_
        return composed(*operands, causal if mask is None else mask & causal)

    with use("fast"):
        fast = gradients(fused, arrays, weight)
    with use("plain"):
        plain = gradients(fused, arrays, weight)
    steps = gradients(in_steps, arrays, weight)
    rounding = max(2e-6, 3e-6 * spread**3 * features)  # dv is a sum over 200 queries
    for name, x, y, z in zip(("out", "dq", "dk", "dv"), fast, plain, steps, strict=True):
        size = max(1.0, float(np.abs(z).max()))
        np.testing.assert_allclose(x, y, 0, rounding * size, err_msg=f"{name}, fast and plain")
        np.testing.assert_allclose(y, z, 0, rounding * size, err_msg=f"{name}, plain and composed")


def test_the_fast_form_runs_and_keeps_nothing_of_the_size_of_the_scores() -> None:
    rng = np.random.default_rng(0)
    q, k, v = (Tensor(normal(rng, 2, 2, 300, 4), requires_grad=True) for _ in range(3))
    heard: list[Event] = []
    with listening(heard.append):
        scaled_dot_product_attention(q, k, v, is_causal=True)
    (event,) = heard
    assert event.record.kernel is not None
    kept = sum(x.nbytes for x in event.record.saved if x is not None)
    assert kept == 2 * 2 * 300 * 4  # one number for each query of each head; 300 are the keys


def test_scores_beyond_what_exp_can_hold_are_shifted() -> None:
    q = k = np.full((1, 1, 3, 4), 1e3, np.float32)
    v = np.arange(12, dtype=np.float32).reshape(1, 1, 3, 4)
    for kernels in ("plain", "fast"):
        with use(kernels):
            out = scaled_dot_product_attention(q, k, v)
        np.testing.assert_allclose(out.data[0, 0], np.broadcast_to(v[0, 0].mean(axis=0), (3, 4)))


@pytest.mark.parametrize("kernels", ["plain", "fast"])
@pytest.mark.parametrize("spread", [1.0, 30.0])
def test_a_query_that_may_attend_nowhere_is_answered_with_zeros(
    kernels: str, spread: float
) -> None:
    rng = np.random.default_rng(1)
    arrays = [normal(rng, 1, 2, 3, 4) * spread, normal(rng, 1, 2, 5, 4), normal(rng, 1, 2, 5, 4)]
    mask = np.ones((3, 5), bool)
    mask[1] = False
    with use(kernels):
        out, dq, dk, dv = gradients(
            lambda q, k, v: scaled_dot_product_attention(q, k, v, mask),
            arrays,
            np.ones((1, 2, 3, 4), np.float32),
        )
    assert not out[:, :, 1].any()
    assert not dq[:, :, 1].any()
    assert out[:, :, [0, 2]].all()
    assert all(np.isfinite(x).all() for x in (out, dq, dk, dv))


@pytest.mark.parametrize("kernels", ["plain", "fast"])
def test_a_nan_reaches_the_answers_that_saw_it_and_no_other(kernels: str) -> None:
    rng = np.random.default_rng(2)
    q, k, v = (normal(rng, 1, 1, 4, 3) for _ in range(3))
    q[0, 0, 2] = np.nan
    with use(kernels):
        out = scaled_dot_product_attention(q, k, v, is_causal=True).data[0, 0]
    assert np.isnan(out).any(axis=1).tolist() == [False, False, True, False]


@pytest.mark.parametrize("kernels", ["plain", "fast"])
def test_nobody_sees_the_future(kernels: str) -> None:
    """Changing what comes later changes no earlier answer, to the last bit."""
    rng = np.random.default_rng(3)
    q, k, v = (normal(rng, 1, 2, 9, 4) for _ in range(3))
    with use(kernels):
        before = scaled_dot_product_attention(q, k, v, is_causal=True).data
        k[:, :, 5:] = 0.5
        v[:, :, 5:] = 7
        after = scaled_dot_product_attention(q, k, v, is_causal=True).data
    np.testing.assert_array_equal(before[:, :, :5], after[:, :, :5])
    assert (before[:, :, 5:] != after[:, :, 5:]).all()


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    before=st.tuples(st.integers(1, 3), st.integers(1, 4)),
    keys=st.integers(1, 70),
    sizes=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    spread=st.sampled_from([0.1, 1.0, 1e3]),
    is_causal=st.booleans(),
)
def test_a_single_query_that_keeps_nothing_is_answered_as_the_plain_definition_does(
    seed: int,
    before: tuple[int, int],
    keys: int,
    sizes: tuple[int, int],
    spread: float,
    is_causal: bool,
) -> None:
    rng = np.random.default_rng(seed)
    q = normal(rng, *before, 1, sizes[0]) * np.float32(spread)
    k, v = normal(rng, *before, keys, sizes[0]), normal(rng, *before, keys, sizes[1])
    outs = []
    for kernels in ("fast", "plain"):
        with use(kernels):
            outs.append(scaled_dot_product_attention(q, k, v, is_causal=is_causal).data)
    assert outs[0].shape == (*before, 1, sizes[1])
    np.testing.assert_allclose(*outs, 0, 1e-5 * max(1.0, spread))


def test_causal_queries_are_the_last_of_the_positions() -> None:
    rng = np.random.default_rng(4)
    q, k, v = (normal(rng, 1, 2, 6, 4) for _ in range(3))
    whole = scaled_dot_product_attention(q, k, v, is_causal=True)
    last = scaled_dot_product_attention(q[:, :, 4:], k, v, is_causal=True)
    np.testing.assert_allclose(last.data, whole.data[:, :, 4:], 1e-5, 1e-6)
    assert causal_mask(2, 3).tolist() == [[True, True, False], [True, True, True]]


def test_shares_are_positive_and_sum_to_one_and_equal_scores_share_evenly() -> None:
    rng = np.random.default_rng(5)
    shares = attention_weights(normal(rng, 2, 3, 4), normal(rng, 2, 5, 4))
    assert (shares > 0).all()
    np.testing.assert_allclose(shares.sum(axis=-1), 1, 1e-6)
    even = attention_weights(np.zeros((1, 4)), normal(rng, 5, 4), np.arange(5) < 3)
    np.testing.assert_allclose(even, [[1 / 3, 1 / 3, 1 / 3, 0, 0]])


def test_a_mask_may_be_given_by_name_and_as_a_tensor() -> None:
    rng = np.random.default_rng(6)
    arrays = [normal(rng, 1, 2, 3, 4) for _ in range(3)]
    mask = np.tri(3, dtype=bool)
    wanted = scaled_dot_product_attention(*arrays, mask)
    for form in (mask, Tensor(mask)):
        by_name = gradients(
            lambda q, k, v, m=form: scaled_dot_product_attention(q, k, v, mask=m),
            arrays,
            np.ones((1, 2, 3, 4), np.float32),
        )
        np.testing.assert_array_equal(by_name[0], wanted.data)
    assert gradcheck(
        lambda q, k, v: scaled_dot_product_attention(q, k, v, mask=mask),
        *(x[0].astype(np.float64) for x in arrays),
    )


@pytest.mark.parametrize(
    ("shapes", "params", "message"),
    [
        (((2, 3), (4, 5), (4, 5)), {}, "a query of 3 features .* a key of 5"),
        (((2, 3), (4, 3), (5, 3)), {}, "4 keys, but 5 values"),
        (((3,), (4, 3), (4, 3)), {}, "each needs two axes"),
        (((5, 3), (4, 3), (4, 3)), {"is_causal": True}, "cannot be 5 of them with 4 keys"),
        (((2, 2, 3), (3, 4, 3), (3, 4, 3)), {}, "before the last two axes.* sizes 2 and 3"),
        (((2, 0), (4, 0), (4, 3)), {}, "and not 0"),
        (((1, 2, 2, 3),) * 3, {"mask": np.ones((2, 3), bool)}, r"\(2, 3\) does not .*\(1, 2, 2, 2"),
        (
            ((2, 3), (4, 3), (4, 3)),
            {"mask": np.ones((7, 2, 4), bool)},
            r"does not broadcast to \(2",
        ),
    ],
)
def test_shapes_that_do_not_fit_are_explained(
    shapes: tuple[tuple[int, ...], ...], params: dict[str, Any], message: str
) -> None:
    operands = [np.ones(shape, np.float32) for shape in shapes]
    with pytest.raises(ShapeError, match=message):
        scaled_dot_product_attention(*operands, **params)


def test_a_mask_of_numbers_is_refused() -> None:
    x = np.ones((1, 1, 2, 3), np.float32)
    with pytest.raises(TypeError, match="holds float32, not booleans; True means: may attend"):
        scaled_dot_product_attention(x, x, x, np.ones((2, 2), np.float32))


# The layer
def torch_twin(layer: MultiHeadAttention) -> Any:
    """PyTorch's layer with the same weights; it keeps them transposed, and three in one."""
    import torch

    d_model = layer.query.weight.shape[0]
    twin = torch.nn.MultiheadAttention(d_model, layer.n_heads, batch_first=True)
    parts = (layer.query, layer.key, layer.value)
    with torch.no_grad():
        twin.in_proj_weight.copy_(torch.tensor(np.concatenate([p.weight.data.T for p in parts])))
        twin.in_proj_bias.copy_(torch.tensor(np.concatenate([p.bias.data for p in parts])))
        twin.out_proj.weight.copy_(torch.tensor(layer.out.weight.data.T))
        twin.out_proj.bias.copy_(torch.tensor(layer.out.bias.data))
    return twin


@pytest.mark.oracle
@pytest.mark.parametrize("cross", [False, True])
@pytest.mark.parametrize("masked", [False, True])
def test_the_layer_is_that_of_pytorch(cross: bool, masked: bool) -> None:
    import torch

    rng = np.random.default_rng(7)
    layer = MultiHeadAttention(12, 3, rng=rng)
    twin = torch_twin(layer)
    x, context = normal(rng, 2, 4, 12), normal(rng, 2, 5 if cross else 4, 12)
    mask = rng.random((4, context.shape[1])) < 0.6 if masked else None
    if mask is not None:
        mask[:, 0] = True
    ours = Tensor(x, requires_grad=True)
    source = Tensor(context, requires_grad=True) if cross else None
    out = layer(ours, source, mask)
    weight = normal(rng, *out.shape)
    out.backward(weight)

    theirs = torch.tensor(x, requires_grad=True)
    seen = torch.tensor(context, requires_grad=True) if cross else theirs
    hidden = None if mask is None else torch.tensor(~mask)  # there, True may not attend
    expected, shares = twin(theirs, seen, seen, attn_mask=hidden, average_attn_weights=False)
    expected.backward(torch.tensor(weight))
    np.testing.assert_allclose(out.data, expected.detach().numpy(), 2e-5, 2e-6)
    np.testing.assert_allclose(ours.grad, theirs.grad.numpy(), 2e-5, 2e-6)
    if source is not None:
        np.testing.assert_allclose(source.grad, seen.grad.numpy(), 2e-5, 2e-6)
    ours_map = layer.attention_map(ours, source, mask)
    np.testing.assert_allclose(ours_map, shares.detach().numpy(), 2e-5, 2e-6)
    grads = np.concatenate([p.weight.grad.T for p in (layer.query, layer.key, layer.value)])
    np.testing.assert_allclose(grads, twin.in_proj_weight.grad.numpy(), 2e-5, 5e-6)


@pytest.mark.parametrize("cross", [False, True])
def test_each_head_answers_for_itself(cross: bool) -> None:
    """Written out: head h attends with its own features, and `out` mixes what all of them say."""
    rng = np.random.default_rng(8)
    layer = MultiHeadAttention(6, 2, rng=rng)
    x, context = normal(rng, 1, 4, 6), normal(rng, 1, 3, 6)
    seen = context if cross else x
    q = x @ layer.query.weight.data + layer.query.bias.data
    k, v = (seen @ p.weight.data + p.bias.data for p in (layer.key, layer.value))
    answers = []
    for part in (slice(0, 3), slice(3, 6)):
        scores = q[0, :, part] @ k[0, :, part].T / np.sqrt(3)
        shares = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        answers.append(shares @ v[0, :, part])
    wanted = np.concatenate(answers, axis=1) @ layer.out.weight.data + layer.out.bias.data
    answer = layer(Tensor(x), Tensor(context) if cross else None)
    np.testing.assert_allclose(answer.data[0], wanted, 1e-5, 1e-6)


def test_without_positions_attention_does_not_know_an_order() -> None:
    rng = np.random.default_rng(9)
    layer = MultiHeadAttention(8, 2, rng=rng)
    x, order = normal(rng, 1, 5, 8), rng.permutation(5)
    np.testing.assert_allclose(
        layer(Tensor(x[:, order])).data, layer(Tensor(x)).data[:, order], 1e-5, 1e-6
    )


def test_a_mask_for_each_example_serves_all_heads() -> None:
    rng = np.random.default_rng(10)
    layer = MultiHeadAttention(4, 2, rng=rng)
    x = Tensor(normal(rng, 2, 3, 4))  # as many examples as heads: broadcasting would mix them up
    mask = np.stack([np.tri(3, dtype=bool), np.ones((3, 3), bool)])
    shares = layer.attention_map(x, mask=mask)
    assert not shares[0, :, 0, 1:].any()
    assert shares[1].all()
    each = [layer(x[i : i + 1], mask=mask[i]).data for i in range(2)]
    np.testing.assert_allclose(layer(x, mask=mask).data, np.concatenate(each), 1e-5, 1e-6)


def test_with_a_past_only_new_positions_are_computed_and_the_answers_stay() -> None:
    rng = np.random.default_rng(11)
    layer = MultiHeadAttention(8, 2, rng=rng)
    x = Tensor(normal(rng, 2, 7, 8))
    whole = layer(x, is_causal=True).data
    past = Remembered()
    steps = [layer(x[:, a:b], is_causal=True, past=past).data for a, b in ((0, 4), (4, 5), (5, 7))]
    np.testing.assert_allclose(np.concatenate(steps, axis=1), whole, 1e-5, 1e-6)
    assert past.length == 7


def test_heads_that_do_not_divide_the_features_are_refused_and_others_proposed() -> None:
    with pytest.raises(
        ValueError, match=r"5 heads cannot share 12 .* one of \[1, 2, 3, 4, 6, 12\]"
    ):
        MultiHeadAttention(12, 5)
    with pytest.raises(ValueError, match="n_heads=0: sizes must be at least 1"):
        MultiHeadAttention(12, 0)


def test_the_layer_says_what_x_should_look_like() -> None:
    layer = MultiHeadAttention(4, 2)
    with pytest.raises(ShapeError, match=r"x is \(batch, positions, 4\), not \(3, 4\); x\[None\]"):
        layer(Tensor(np.ones((3, 4))))
    with pytest.raises(ShapeError, match=r"not \(1, 3, 5\)"):
        layer(Tensor(np.ones((1, 3, 5))))


def test_the_layer_has_the_parameters_it_should_have() -> None:
    layer = MultiHeadAttention(16, 4)
    assert layer.num_parameters() == 4 * (16 * 16 + 16)
    assert MultiHeadAttention(16, 4, bias=False).num_parameters() == 4 * 16 * 16
    assert {name.split(".")[0] for name in layer.state_dict()} == {"query", "key", "value", "out"}
    assert repr(layer).startswith("MultiHeadAttention(16, n_heads=4")
    assert attention.MultiHeadAttention is tinytorch.nn.MultiHeadAttention


def test_the_examples_in_its_text_are_true() -> None:
    result = doctest.testmod(attention)
    assert result.attempted
    assert not result.failed
