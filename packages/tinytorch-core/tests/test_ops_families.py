"""The plain functions of `ops` (creation, `allclose`, ...), the tensor's methods, and examples."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil
from typing import Any

import numpy as np
import pytest

from tinytorch.core import ops
from tinytorch.core.methods import Methods
from tinytorch.core.random import manual_seed
from tinytorch.core.tensor import Tensor

FAMILIES = [
    importlib.import_module(f"{ops.__name__}.{m.name}") for m in pkgutil.iter_modules(ops.__path__)
]


# Creation
@pytest.mark.parametrize(
    ("made", "expected", "dtype"),
    [
        (ops.zeros(2, 3), np.zeros((2, 3)), np.float32),
        (ops.zeros((2, 3)), np.zeros((2, 3)), np.float32),
        (ops.zeros(), np.zeros(()), np.float32),
        (ops.zeros(0, 2), np.zeros((0, 2)), np.float32),
        (ops.ones([2, 3], dtype=np.int64), np.ones((2, 3)), np.int64),
        (ops.full((2, 2), 3), np.full((2, 2), 3), np.int64),
        (ops.full(2, 3.5), np.full(2, 3.5), np.float32),
        (ops.full((), True), np.array(True), np.bool_),
        (ops.full((2,), 3, dtype=np.float64), np.full(2, 3), np.float64),
        (ops.eye(2), np.eye(2), np.float32),
        (ops.eye(2, 3, dtype=bool), np.eye(2, 3), np.bool_),
        (ops.arange(4), np.arange(4), np.int64),
        (ops.arange(1, 4, 2), np.array([1, 3]), np.int64),
        (ops.arange(0, 1, 0.25), np.arange(4) / 4, np.float32),
        (ops.arange(3, dtype=np.float64), np.arange(3), np.float64),
        (ops.arange(3, 0), np.zeros(0), np.int64),
        (ops.linspace(0, 1, 5), np.arange(5) / 4, np.float32),
        (ops.linspace(0, 1, 1, dtype=np.float64), np.zeros(1), np.float64),
        (ops.zeros_like(Tensor([1, 2])), np.zeros(2), np.int64),
        (ops.zeros_like(Tensor([1.0]), dtype=np.float64), np.zeros(1), np.float64),
        (ops.ones_like([[1.0, 2.0]]), np.ones((1, 2)), np.float32),
        (ops.full_like(Tensor([True, False]), True), np.array([True, True]), np.bool_),
        (ops.tensor([1.0, 2.0]), np.array([1.0, 2.0]), np.float32),
        (ops.tensor(np.arange(2)), np.arange(2), np.int64),
        (ops.tensor([1, 2], dtype=np.float64), np.array([1, 2]), np.float64),
    ],
)  # fmt: skip
def test_creation_gives_the_values_and_type_that_are_named(
    made: Tensor, expected: Any, dtype: Any
) -> None:
    assert made.dtype == dtype
    assert made.shape == expected.shape
    np.testing.assert_array_equal(made.data, expected)
    assert made.data.flags.c_contiguous
    assert made.data.flags.writeable


@pytest.mark.parametrize(
    "make",
    [
        lambda **k: ops.tensor([1.0], **k),
        lambda **k: ops.zeros(2, **k),
        lambda **k: ops.ones(2, **k),
        lambda **k: ops.full((2,), 1.5, **k),
        lambda **k: ops.eye(2, **k),
        lambda **k: ops.arange(0.0, 2.0, **k),
        lambda **k: ops.linspace(0, 1, 3, **k),
        lambda **k: ops.zeros_like([1.0], **k),
        lambda **k: ops.ones_like([1.0], **k),
        lambda **k: ops.full_like([1.0], 2, **k),
        lambda **k: ops.rand(2, **k),
        lambda **k: ops.randn(2, **k),
        lambda **k: ops.randint(0, 5, (2,), dtype=np.float32, **k),
    ],
)
def test_a_new_tensor_can_require_a_gradient_and_by_default_does_not(make: Any) -> None:
    assert make(requires_grad=True).requires_grad
    assert make(requires_grad=True).node is None
    assert not make().requires_grad


def test_from_numpy_shares_memory_and_tensor_copies() -> None:
    array = np.array([1.0, 2.0])
    shared, copied = ops.from_numpy(array), ops.tensor(array)
    array[0] = 9
    assert shared.tolist() == [9, 2]
    assert shared.dtype == np.float64
    assert copied.tolist() == [1, 2]


def test_drawing_takes_a_generator_or_the_default_one() -> None:
    for draw in (ops.rand, ops.randn, lambda n, **k: ops.randint(0, 1000, n, **k)):
        a, b = (draw(50, rng=np.random.default_rng(3)).data for _ in range(2))
        np.testing.assert_array_equal(a, b)
        manual_seed(5)
        first, second = draw(50).data, draw(50).data
        assert (first != second).any()
        manual_seed(5)
        np.testing.assert_array_equal(draw(50).data, first)


def test_drawn_numbers_have_the_distribution_that_they_are_named_after() -> None:
    rng = np.random.default_rng(0)
    even, normal = ops.rand(100, 100, rng=rng).data, ops.randn(100, 100, rng=rng).data
    whole = ops.randint(2, 5, (1000,), rng=rng).data
    assert even.min() >= 0
    assert even.max() < 1
    assert even.mean() == pytest.approx(0.5, abs=0.02)
    assert even.std() == pytest.approx(12**-0.5, abs=0.01)
    assert normal.mean() == pytest.approx(0, abs=0.05)
    assert normal.std() == pytest.approx(1, abs=0.05)
    assert set(whole.tolist()) == {2, 3, 4}


def test_drawing_keeps_types_and_shapes() -> None:
    assert ops.rand(2, 3).dtype == ops.randn((2, 3)).dtype == np.float32
    assert ops.rand(2, dtype=np.float64).dtype == ops.randn(2, dtype=np.float64).dtype == np.float64
    assert ops.randn(2, dtype=np.float16).dtype == np.float16
    assert ops.rand().shape == ops.randint(0, 3).shape == ()
    assert ops.randint(0, 3, 4).dtype == np.int64
    assert ops.rand(0, 3).shape == (0, 3)
    wide = ops.rand(1000, dtype=np.float64, rng=np.random.default_rng(0)).data
    assert (wide != wide.astype(np.float32)).any()  # drawn in float64, not converted to it


# Single questions that the table of cases cannot ask
def test_allclose_compares_tensors_arrays_and_numbers() -> None:
    assert ops.allclose(Tensor([1.0, 2.0]), np.array([1.0, 2.0 + 1e-7]))
    assert not ops.allclose(Tensor([1.0, 2.0]), [1.0, 2.1])
    assert ops.allclose([1.0], 1.05, rtol=0.1)
    assert ops.allclose([0.0], 0.05, atol=0.1)
    assert not ops.allclose([np.nan], [np.nan])
    assert ops.allclose([np.nan], [np.nan], equal_nan=True)
    assert ops.allclose(Tensor([1.0], requires_grad=True), 1)
    assert type(ops.allclose(1.0, 1.0)) is bool


def test_clone_and_astype_give_memory_of_their_own() -> None:
    x = Tensor([1.0, 2.0])
    for copy in (
        x.clone(),
        x.astype(np.float32),
        ops.round(Tensor([1, 2])),
        ops.pad(x, pad_width=0),
    ):
        assert not np.shares_memory(copy.data, x.data)


def test_masked_fill_keeps_the_type_of_what_it_fills() -> None:
    filled = ops.masked_fill(Tensor([1, 2]), [True, False], value=3.7)
    assert filled.dtype == np.int64
    assert filled.tolist() == [3, 2]
    assert ops.masked_fill(Tensor([1.0]), [True], value=np.float64(0.5)).dtype == np.float32


def test_logsumexp_of_nothing_but_minus_infinity_has_gradient_zero() -> None:
    x = Tensor([-np.inf, -np.inf], requires_grad=True)
    out = ops.logsumexp(x)
    out.backward()
    assert out.item() == -np.inf
    assert x.grad is not None
    assert x.grad.tolist() == [0, 0]


def test_nan_is_sorted_last_and_descending_first() -> None:
    x = Tensor([2.0, np.nan, 1.0])
    assert ops.argsort(x).tolist() == [2, 0, 1]
    assert ops.argsort(x, descending=True).tolist() == [1, 0, 2]


def test_nothing_chosen_away_by_where_reaches_the_gradient() -> None:
    x = Tensor([0.0, 4.0], requires_grad=True)
    safe = ops.where(x > 0, ops.sqrt(ops.where(x > 0, x, 1.0)), 0.0)
    safe.sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [0, 0.25]


def test_outputs_of_one_call_share_a_record_whose_rule_runs_once() -> None:
    x = Tensor([1.0, 2.0, 3.0, 4.0], requires_grad=True)
    first, second = ops.split(x, sections=2)
    assert first.node is second.node
    (first.sum() * 2 + (second * second).sum()).backward()
    assert x.grad is not None
    assert x.grad.tolist() == [2, 2, 6, 8]


def test_operations_take_numbers_too() -> None:
    assert ops.floor(2.5).item() == 2
    assert ops.round(2).dtype == np.int64
    assert ops.astype(2.7, int).item() == 2
    assert ops.astype(2, np.float64).dtype == np.float64
    assert ops.pad(1.5, pad_width=0).item() == 1.5
    assert ops.masked_fill(1.5, True, value=0).item() == 0
    assert ops.one_hot(1, num_classes=2).tolist() == [0, 1]
    assert ops.maximum(1, 2.5).item() == 2.5


def test_operations_take_lists_and_arrays_too() -> None:
    assert ops.sqrt([4.0, 9.0]).tolist() == [2, 3]
    assert ops.where(np.array([True, False]), [1, 2], 0).tolist() == [1, 0]
    assert ops.concatenate([[1, 2], np.array([3])]).tolist() == [1, 2, 3]
    assert ops.stack([[1, 2], [3, 4]], axis=1).tolist() == [[1, 3], [2, 4]]
    assert ops.einsum("i,i->", [1, 2], [3, 4]).item() == 11
    assert ops.maximum([1.5], 2).dtype == np.float32


# The tensor's methods
@pytest.mark.parametrize(
    ("method", "function"),
    [
        (lambda x: x.clone(), lambda x: x * 1),
        (lambda x: x.astype(int), lambda x: Tensor([[1, 0, -2], [1, 3, 0]])),
        (lambda x: x == 1, lambda x: ops.equal(x, 1)),
        (lambda x: x != 1, lambda x: ops.not_equal(x, 1)),
        (lambda x: x < 1, lambda x: ops.less(x, 1)),
        (lambda x: x <= 1, lambda x: ops.less_equal(x, 1)),
        (lambda x: x > 1, lambda x: ops.greater(x, 1)),
        (lambda x: x >= 1, lambda x: ops.greater_equal(x, 1)),
        (lambda x: (x > 0) & (x < 3), lambda x: ops.logical_and(x > 0, x < 3)),
        (lambda x: (x > 2) | (x < 0), lambda x: ops.logical_or(x > 2, x < 0)),
        (lambda x: ~(x > 2), lambda x: x <= 2),
        (lambda x: abs(x), ops.abs),
        (lambda x: x.abs(), lambda x: ops.maximum(x, -x)),
        (lambda x: x.abs().sqrt(), lambda x: ops.abs(x) ** 0.5),
        (lambda x: x.clip(0, 1), lambda x: ops.minimum(ops.maximum(x, 0), 1)),
        (lambda x: x.min(1), lambda x: ops.min(x, axis=1)),
        (lambda x: x.prod(0, True), lambda x: ops.prod(x, axis=0, keepdims=True)),
        (lambda x: x.var(), lambda x: ((x - x.mean()) ** 2).sum() / 5),
        (lambda x: x.std(0, correction=0), lambda x: ops.var(x, axis=0, correction=0) ** 0.5),
        (lambda x: x.argmax(), lambda x: Tensor(4)),
        (lambda x: x.argmin(1), lambda x: Tensor([2, 2])),
        (lambda x: x.any(0), lambda x: Tensor([True, True, True])),
        (lambda x: x.all(1), lambda x: Tensor([False, False])),
        (lambda x: x.cumsum(1), lambda x: ops.cumsum(x, axis=1)),
        (lambda x: x.reshape(1, 6).squeeze(), lambda x: x.reshape(6)),
        (lambda x: x.reshape(1, 6, 1).squeeze(0), lambda x: x.reshape(6, 1)),
        (lambda x: x.expand_dims(1), lambda x: x.reshape(2, 1, 3)),
        (lambda x: x.flatten(), lambda x: x.reshape(6)),
        (lambda x: x.expand_dims(0).flatten(1), lambda x: x.reshape(1, 6)),
        (lambda x: x.permute(1, 0), lambda x: x.T),
        (lambda x: x.permute((1, 0)), lambda x: x.T),
        (lambda x: x[0].broadcast_to(2, 3), lambda x: ops.stack([x[0], x[0]])),
        (lambda x: x[0].broadcast_to((2, 3)), lambda x: ops.stack([x[0], x[0]])),
    ],
)  # fmt: skip
def test_methods_name_operations(method: Any, function: Any) -> None:
    x = Tensor([[1.5, 0.0, -2.0], [1.0, 3.5, 0.0]])
    x.data[1, 2] = 0.0
    got, wanted = method(x), function(x)
    assert got.dtype == wanted.dtype
    np.testing.assert_allclose(got.data, wanted.data, rtol=1e-6)


def test_the_parameters_of_methods_are_those_of_the_operations() -> None:
    for name, method in inspect.getmembers(Methods, inspect.isfunction):
        operation = getattr(ops, name, None)
        if operation is None or name.startswith("__") or name in ("astype", "flatten"):
            continue
        definition = getattr(operation, "definition", operation)
        theirs = list(inspect.signature(definition).parameters.items())[1:]
        ours = list(inspect.signature(method).parameters.items())[1:]
        if ours[-1:] and ours[-1][1].kind is inspect.Parameter.VAR_KEYWORD:
            ours.pop()  # what the operation will refuse
        for (given, mine), (wanted, parameter) in zip(ours, theirs, strict=True):
            if mine.kind is not inspect.Parameter.VAR_POSITIONAL:
                assert given == wanted, name
                assert mine.default == parameter.default, name


# What a reader sees
@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.__name__)
def test_examples_in_docstrings_run(family: Any) -> None:
    assert doctest.testmod(family).failed == 0


def test_every_public_operation_is_documented() -> None:
    missing = [name for name in ops.__all__ if not (getattr(ops, name).__doc__ or "").strip()]
    assert missing == []


def test_everything_public_in_a_family_can_be_had_from_ops() -> None:
    internal = {"concat", "contract", "cast", "convert", "spelled_out", "letter_sizes", "axis_of"}
    for family in FAMILIES:
        own = {
            name
            for name, value in vars(family).items()
            if getattr(value, "__module__", None) == family.__name__
            and not name.startswith("_")
            and not name.endswith("_gradient")
        }
        assert own - internal <= {*ops.__all__}, family.__name__
