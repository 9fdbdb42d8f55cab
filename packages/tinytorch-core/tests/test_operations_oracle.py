"""Every operation of a tier against PyTorch: values, types and gradients; and the recorded values.

The recorded values (`oracle/values.json`) stand in where PyTorch is not installed. The comparison
itself, marked `oracle`, needs it.
"""

from __future__ import annotations

import json
import warnings
from typing import Any

import numpy as np
import pytest
from operation_cases import CASES
from operation_helper import (
    Case,
    as_tensors,
    as_tuple,
    gradients,
    is_differentiable,
    is_float,
    rounding,
    weights_for,
)
from oracle.record import FILE, as_operands, recorded_cases

RECORDED: dict[str, Any] = json.loads(FILE.read_text())


def every(cases: list[Case]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", cases, ids=str)


# With PyTorch
@pytest.mark.oracle
@every(CASES)
def test_values_types_and_gradients_are_those_of_pytorch(case: Case) -> None:
    import torch

    arrays = case.arrays()
    outputs = case.outputs(as_tensors(arrays))
    theirs = [torch.tensor(x) if isinstance(x, np.ndarray) else x for x in arrays]
    for x in theirs:
        if isinstance(x, torch.Tensor) and x.dtype.is_floating_point:
            x.requires_grad = True
    with warnings.catch_warnings(action="ignore"):  # of degrees of freedom, say: NumPy does too
        expected = as_tuple(case.torch(torch, *theirs, **case.row.params))
    assert len(outputs) == len(expected)
    for out, wanted in zip(outputs, expected, strict=True):
        wanted = wanted.detach()
        assert out.shape == tuple(wanted.shape)
        assert out.dtype.name == str(wanted.dtype).removeprefix("torch.")
        exact = out.dtype.kind != "f"
        near = (0.0, 0.0) if exact else rounding(case, wanted.numpy())
        np.testing.assert_allclose(out.data, wanted.numpy(), *near)
    if not is_differentiable(case):
        return
    differentiable = [
        (out, torch.tensor(w))
        for out, w in zip(expected, weights_for(outputs), strict=True)
        if out.requires_grad
    ]
    ends, weights = zip(*differentiable, strict=True)
    torch.autograd.backward(ends, weights)
    for position, (x, ours) in enumerate(zip(theirs, gradients(case, arrays), strict=True)):
        if not isinstance(x, torch.Tensor):
            continue
        if ours is None:
            assert x.grad is None or not x.grad.any(), f"operand {position}"
        else:
            wanted = np.zeros_like(ours) if x.grad is None else x.grad.numpy()
            near = rounding(case, wanted)
            np.testing.assert_allclose(ours, wanted, *near, err_msg=f"operand {position}")
            assert x.grad is None or ours.dtype == wanted.dtype


@pytest.mark.oracle
def test_the_recorded_values_are_what_pytorch_gives_today() -> None:
    from oracle.record import recorded

    today = recorded()
    assert today.keys() == RECORDED.keys(), "run python tests/oracle/record.py"
    for name, entry in today.items():
        known = RECORDED[name]
        assert known["operands"] == entry["operands"], name
        for kind in ("outputs", "gradients"):
            for now, then in zip(entry[kind], known[kind], strict=True):
                assert (now is None) == (then is None), name
                if now is not None:
                    np.testing.assert_allclose(numbers(now), numbers(then), 1e-5, 1e-6, True, name)


# Without it
@every(recorded_cases())
def test_values_and_gradients_are_those_recorded_from_pytorch(case: Case) -> None:
    entry = RECORDED[case.id]
    arrays = as_operands(case, entry)
    for out, wanted in zip(case.outputs(as_tensors(arrays)), entry["outputs"], strict=True):
        np.testing.assert_allclose(out.data, np.reshape(numbers(wanted), out.shape), 2e-5, 2e-6)
    if not is_differentiable(case):
        return
    for x, ours, wanted in zip(arrays, gradients(case, arrays), entry["gradients"], strict=True):
        if is_float(x):
            ours = np.zeros_like(x) if ours is None else ours
            wanted = np.zeros_like(x) if wanted is None else np.reshape(numbers(wanted), x.shape)
            np.testing.assert_allclose(ours, wanted, 2e-5, 2e-6)


def numbers(recorded: Any) -> Any:
    """Recorded numbers as an array."""
    return np.array(recorded, np.float64)


def test_every_operation_has_a_recorded_value() -> None:
    assert {case.name for case in CASES} == {name.rpartition("-")[0] for name in RECORDED}
