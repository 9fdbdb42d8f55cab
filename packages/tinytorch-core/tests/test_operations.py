"""Every operation of a tier: values, gradients, types, memory, and fast kernels against plain ones.

Each test runs over all cases of `operation_cases.py`. They compare with NumPy expressions written
for the purpose and with finite differences of these; `test_operations_oracle.py` compares the same
cases with PyTorch.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from operation_cases import CASES, PUBLIC, TIER
from operation_helper import (
    Case,
    as_tensors,
    gradients,
    is_differentiable,
    is_float,
    pass_back,
    primitives_of,
    rounding,
    slope_along,
    weights_for,
)

from tinytorch.core import ops
from tinytorch.core.autograd import gradcheck
from tinytorch.core.context import listening, use
from tinytorch.core.errors import GradientError
from tinytorch.core.primitive import RULES, Event, primitives
from tinytorch.core.tensor import Tensor

pytestmark = pytest.mark.once

DIFFERENTIABLE = [case for case in CASES if is_differentiable(case)]
SMOOTH = [case for case in DIFFERENTIABLE if not case.row.kink]
# operands of two types meet in these, and NumPy computes in float64; the record converts
MIXING = {"add", "sub", "mul", "div", "pow", "maximum", "minimum", "where", "matmul", "contract",
          "concat", "mse_loss", "binary_cross_entropy", "cast", "conv2d"}  # fmt: skip
# in these the gradient of the first operand, the prediction, comes for nothing or is always wanted
FIRST_ALWAYS = {"mse_loss", "cross_entropy", "binary_cross_entropy",
                "binary_cross_entropy_with_logits"}  # fmt: skip
# relative and absolute; what is no floating point must be equal
TOLERANCES = {"float16": (1e-3, 1e-3), "float32": (2e-5, 2e-6), "float64": (1e-10, 1e-11)}


def every(cases: list[Case]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", cases, ids=str)


# The table is complete
def test_every_primitive_has_a_case() -> None:
    missing = sorted(primitives_of(TIER) - {case.name for case in CASES})
    assert not missing, f"no case in operation_cases.py for {', '.join(missing)}"


def test_every_public_operation_has_a_case() -> None:
    known = {case.name for case in CASES} | {"allclose", "concatenate", "astype", "einsum"}
    missing = sorted(PUBLIC - known - {"broadcast_shapes"})  # that is about shapes, not tensors
    assert not missing, f"no case in operation_cases.py for {', '.join(missing)}"


def test_every_primitive_has_a_gradient_rule_or_says_that_it_needs_none() -> None:
    missing = sorted(n for n, p in primitives().items() if p.differentiable and n not in RULES)
    assert not missing, f"no gradient rule for {', '.join(missing)}"


def test_no_rule_is_attached_to_a_name_that_no_primitive_has() -> None:
    assert sorted(RULES.keys() - primitives().keys()) == []


@every(CASES)
def test_a_case_calls_the_primitive_it_is_named_after(case: Case) -> None:
    heard: list[Event] = []
    with listening(heard.append):
        case.outputs(as_tensors(case.arrays()))
    called = {event.record.primitive.name for event in heard}
    assert case.name in called or case.name not in primitives()


# Values
@every(CASES)
def test_values_are_those_of_numpy(case: Case) -> None:
    outputs = case.outputs(as_tensors(case.arrays()))
    expected = case.expected(case.arrays(np.float64))
    assert len(outputs) == len(expected)
    for out, wanted in zip(outputs, expected, strict=True):
        assert out.shape == np.shape(wanted)
        near = rounding(case, wanted) if out.dtype == np.float32 else None
        np.testing.assert_allclose(
            out.data, wanted, *(near or TOLERANCES.get(out.dtype.name, (0, 0)))
        )


@every([case for case in CASES if any(map(is_float, case.arrays()))])
def test_in_float64_values_have_the_digits_of_float64(case: Case) -> None:
    arrays = case.arrays(np.float64)
    for out, wanted in zip(case.outputs(as_tensors(arrays)), case.expected(arrays), strict=True):
        np.testing.assert_allclose(out.data, wanted, *TOLERANCES.get(out.dtype.name, (0, 0)))


@every(CASES)
def test_float64_comes_out_only_where_it_went_in(case: Case) -> None:
    arrays = case.arrays()
    outputs, expected = case.outputs(as_tensors(arrays)), case.expected(arrays)
    wide = any(is_float(x) and x.dtype == np.float64 for x in arrays)
    for out, wanted in zip(outputs, expected, strict=True):
        if "dtype" in case.row.params:
            assert out.dtype == case.row.params["dtype"]
        elif np.asarray(wanted).dtype.kind == "f":
            assert out.dtype == (np.float64 if wide else np.float32)
        else:
            assert out.dtype == np.asarray(wanted).dtype


@every(CASES)
def test_operands_stay_as_they_were(case: Case) -> None:
    arrays, fresh = case.arrays(), case.arrays()
    case.outputs(as_tensors(arrays))
    for x, same in zip(arrays, fresh, strict=True):
        np.testing.assert_array_equal(x, same)


@every(CASES)
def test_only_differentiable_outputs_require_a_gradient(case: Case) -> None:
    for out in case.outputs(as_tensors(case.arrays())):
        known = primitives().get(case.name)
        if known is not None and any(is_float(x) for x in case.arrays()):
            assert out.requires_grad == known.differentiable
        assert not (out.requires_grad and out.dtype.kind != "f")


# Gradients
@every(SMOOTH)
def test_gradients_are_slopes_of_the_numpy_expression(case: Case) -> None:
    arrays = case.arrays(np.float64)
    with use("plain"):  # kernels are compared with this in `test_operations_kernels.py`
        found = gradients(case, arrays)
    rng = np.random.default_rng(2)
    for position, x in enumerate(arrays):
        if not is_float(x):
            continue
        direction = np.asarray(rng.standard_normal(x.shape))
        numeric = slope_along(case, arrays, position, direction)
        analytic = 0.0 if found[position] is None else float((found[position] * direction).sum())
        rounding = 1e-5 if case.row.large else 1e-6  # of a difference of sums of many numbers
        assert analytic == pytest.approx(numeric, rel=1e-5, abs=rounding), f"operand {position}"


@every([case for case in SMOOTH if not case.row.large])
def test_gradients_pass_gradcheck(case: Case) -> None:
    def one_output(*operands: Any) -> Tensor:
        outputs = [out for out in case.outputs(list(operands)) if out.dtype.kind == "f"]
        return outputs[0] if len(outputs) == 1 else ops.concatenate([o.flatten() for o in outputs])

    with case.quiet():
        assert gradcheck(one_output, *as_tensors(case.arrays(np.float64)))


def test_gradcheck_refuses_a_wrong_rule() -> None:
    right = RULES["exp"]
    RULES["exp"] = lambda g, call: 1.001 * right(g, call)
    try:
        with pytest.raises(GradientError, match=r"exp: .* operand 0 .* index \(0,\) is .*; finite"):
            gradcheck(ops.exp, Tensor([1.0, 2.0]))
    finally:
        RULES["exp"] = right
    assert gradcheck(ops.exp, Tensor([1.0, 2.0]))


@every(DIFFERENTIABLE)
def test_gradients_belong_to_their_leaf_alone(case: Case) -> None:
    arrays = case.arrays()
    found = gradients(case, arrays)
    for x, grad in zip(arrays, found, strict=True):
        if grad is None:
            continue
        assert type(grad) is np.ndarray
        assert grad.dtype == x.dtype
        assert grad.shape == x.shape
        assert grad.flags.c_contiguous
        assert grad.flags.writeable
        assert not any(np.shares_memory(grad, y) for y in arrays if isinstance(y, np.ndarray))
        others = [y for y in found if y is not None and y is not grad]
        assert not any(np.shares_memory(grad, y) for y in others)


@pytest.mark.parametrize("kernels", ["plain", "fast"])
@every(DIFFERENTIABLE)
def test_a_rule_answers_in_the_operands_type_and_memory_of_its_own(
    case: Case, kernels: str
) -> None:
    """`record.gradients` converts in silence, which costs time; what shares memory may change."""
    with use(kernels):
        records = records_of(case)
    for record, g in records:
        own = record.kernel.backward if record.kernel else None
        with case.quiet():
            record.gradients(g)  # which tells the record what is needed
            answer = (own or RULES[record.primitive.name])(g, record)
        given = answer if isinstance(answer, tuple) else (answer,)
        outs = record.out if isinstance(record.out, tuple) else (record.out,)
        kinds = {x.dtype for x in (*record.arrays, *outs) if isinstance(x, np.ndarray)}
        mixed = len(kinds - {np.dtype(bool)}) > 1 and record.primitive.name in MIXING
        for dx, x in zip(given, record.arrays, strict=True):
            if dx is None or not is_float(x):
                continue
            assert mixed or np.asarray(dx).dtype == x.dtype
            for other in (*record.arrays, *outs, record.saved):
                assert not (isinstance(other, np.ndarray) and np.shares_memory(dx, other))


def records_of(case: Case) -> list[tuple[Any, Any]]:
    """Return the records that lead to the case's outputs, the last of each, with a gradient."""
    return records_of_outputs(case.outputs(as_tensors(case.arrays())))


def records_of_outputs(outputs: tuple[Tensor, ...]) -> list[tuple[Any, Any]]:
    found: list[tuple[Any, Any]] = []
    for out in outputs:
        if out.node is not None and not any(record is out.node for record, _ in found):
            whole = out.node.out
            several = isinstance(whole, tuple)
            g = weights_for(whole if several else (whole,))
            found.append((out.node, tuple(g) if several else g[0]))
    return found


@every([case for case in DIFFERENTIABLE if sum(map(is_float, case.arrays())) > 1])
def test_operands_that_need_no_gradient_change_nothing_for_the_others(case: Case) -> None:
    arrays = case.arrays()
    complete = gradients(case, arrays)
    for position, x in enumerate(arrays):
        if not is_float(x):
            continue
        operands = as_tensors(arrays)
        for other, tensor in enumerate(operands):
            if isinstance(tensor, Tensor) and other != position:
                tensor.requires_grad = False
        outputs = case.outputs(operands)
        with case.quiet():
            pass_back(outputs, weights_for(outputs))
        near = rounding(case, complete[position])  # a kernel may go another way for some of them
        np.testing.assert_allclose(operands[position].grad, complete[position], *near)
        assert all(
            tensor.grad is None
            for other, tensor in enumerate(operands)
            if isinstance(tensor, Tensor) and other != position
        )


@every([case for case in DIFFERENTIABLE if case.name in RULES and len(case.arrays()) > 1])
def test_a_gradient_that_nobody_wants_is_not_computed(case: Case) -> None:
    for unwanted, x in enumerate(case.arrays()):
        if not is_float(x) or (case.name in FIRST_ALWAYS and unwanted == 0):
            continue
        operands = as_tensors(case.arrays())
        operands[unwanted].requires_grad = False
        outputs = case.outputs(operands)
        record = outputs[0].node
        if record is None:
            continue  # nothing else wants one
        own = record.kernel.backward if record.kernel else None
        for rule in (own or RULES[case.name], RULES[case.name]):
            with case.quiet():
                [(_, g)] = [pair for pair in records_of_outputs(outputs) if pair[0] is record]
                record.gradients(g)  # which tells the record what is needed
                dx = rule(g, record)[unwanted]  # g itself, or a piece of it, costs nothing
            first = g[0] if isinstance(g, tuple) else g
            assert dx is None or not dx.size or np.shares_memory(dx, first), f"operand {unwanted}"
