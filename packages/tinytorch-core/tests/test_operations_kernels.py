"""Every fast kernel against the plain definition that it stands in for: values and gradients.

The cases are those of `operation_cases.py`; a kernel that none of them reaches fails by name.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from operation_cases import CASES, TIER
from operation_helper import (
    Case,
    as_tensors,
    gradients,
    is_differentiable,
    is_float,
    pass_back,
    primitives_of,
    rounding,
    weights_for,
)

from tinytorch.core.context import listening, no_grad, use
from tinytorch.core.primitive import KERNELS, Event

pytestmark = pytest.mark.once

WITH_KERNELS = [case for case in CASES if KERNELS.get(case.name)]
WITH_GRADIENTS = [case for case in WITH_KERNELS if is_differentiable(case)]


def every(cases: list[Case]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", cases, ids=str)


def turned_about(g: Any) -> Any:
    """The same gradient, with its elements in another order in memory."""
    return np.swapaxes(np.swapaxes(g, 0, -1).copy(), 0, -1) if g.ndim else g


def all_alike(g: Any) -> Any:
    """A gradient as `sum` hands it on: one number in memory, for all elements."""
    return np.broadcast_to(np.asarray(0.5, g.dtype), g.shape)


def agree(case: Case, got: Any, wanted: Any) -> None:
    """Assert that two outputs or gradients are the same in value, type and shape."""
    assert (got is None) == (wanted is None)
    if got is not None:
        assert got.dtype == wanted.dtype
        assert got.shape == wanted.shape
        wide = got.dtype == np.float64
        np.testing.assert_allclose(
            got, wanted, *((1e-12, 1e-12) if wide else rounding(case, wanted))
        )


@every(WITH_KERNELS)
def test_a_fast_kernel_gives_what_the_plain_definition_gives(case: Case) -> None:
    arrays = case.arrays()
    for name in KERNELS[case.name]:
        with use("plain"):
            plain = [out.data for out in case.outputs(as_tensors(arrays))]
        with use(name):
            fast = [out.data for out in case.outputs(as_tensors(arrays))]
            with no_grad():
                forward_only = [out.data for out in case.outputs(as_tensors(arrays))]
        for wanted, got, without_saving in zip(plain, fast, forward_only, strict=True):
            agree(case, got, wanted)
            agree(case, without_saving, wanted)


@pytest.mark.parametrize("layout", [np.asarray, turned_about, all_alike])
@every(WITH_GRADIENTS)
def test_a_fast_kernel_gives_the_gradients_of_the_plain_rule(case: Case, layout: Any) -> None:
    arrays = case.arrays()
    for name in KERNELS[case.name]:
        with use("plain"):
            plain = gradients(case, arrays, layout)
        with use(name):
            fast = gradients(case, arrays, layout)
        for wanted, got in zip(plain, fast, strict=True):
            agree(case, got, wanted)


@every(WITH_GRADIENTS)
def test_a_fast_kernel_leaves_its_earlier_answers_alone(case: Case) -> None:
    """Kernels compute in buffers that they use again; no buffer may get out."""
    arrays = case.arrays()
    operands = as_tensors(arrays)
    outputs = case.outputs(operands)
    before = [out.data.copy() for out in outputs]
    gradients(case, [x[::-1].copy() if is_float(x) and x.ndim else x for x in arrays])
    for out, same in zip(outputs, before, strict=True):
        np.testing.assert_array_equal(out.data, same)
    with case.quiet():
        pass_back(outputs, weights_for(outputs))
    for x, wanted in zip(operands, gradients(case, arrays), strict=True):
        if wanted is not None:
            np.testing.assert_array_equal(x.grad, wanted)


def test_every_kernel_of_a_primitive_has_a_case() -> None:
    named = {name for name in primitives_of(TIER) if KERNELS.get(name)}
    assert named == {case.name for case in WITH_KERNELS}


@pytest.mark.parametrize("name", sorted({case.name for case in WITH_KERNELS}))
def test_a_kernel_really_runs_in_some_case(name: str) -> None:
    for kind in KERNELS[name]:
        heard: list[Event] = []
        with use(kind), listening(heard.append):
            for case in CASES:
                if case.name == name:
                    case.outputs(as_tensors(case.arrays()))
        ran = [event.record.kernel for event in heard]
        assert any(ran), f"no case of {name} is one that its {kind} kernel supports"
