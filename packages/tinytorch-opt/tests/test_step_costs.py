"""The table of steps against arrays that count: each knows when it takes part in arithmetic."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from costs_helper import leaf

from tinytorch.core.context import listening
from tinytorch.core.primitive import RULES, Event, Record, primitives
from tinytorch.opt.costs import arrays_in, cost_of
from tinytorch.opt.step_costs import STEPS

BIG = (40, 50)  # so large that a step for each row does not show


class Counting(np.ndarray[Any, Any]):
    """An array that counts the elements of every ufunc it takes part in."""

    steps = 0

    def __array_ufunc__(  # type: ignore[override]
        self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any
    ) -> Any:
        plain = [np.asarray(x) if isinstance(x, Counting) else x for x in inputs]
        into = kwargs.pop("out", None)
        if into:
            kwargs["out"] = tuple(np.asarray(out) for out in into)
        if isinstance(kwargs.get("where"), Counting):
            kwargs["where"] = np.asarray(kwargs["where"])
        answer = getattr(ufunc, method)(*plain, **kwargs)
        if method == "__call__" and ufunc.__name__ not in ("matmul", "vecdot"):
            Counting.steps += np.size(answer)
        elif method in ("reduce", "accumulate"):
            Counting.steps += np.size(plain[0])
        elif method == "at":
            Counting.steps += np.size(plain[2])
        return into[0] if into else np.asarray(answer).view(Counting)


def big(*values: Any) -> tuple[Any, ...]:
    return values or (leaf(*BIG),)


EXAMPLES: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
    **{
        name: (big(leaf(*BIG), leaf(*BIG)), {})
        for name in [
            "add",
            "sub",
            "mul",
            "div",
            "pow",
            "maximum",
            "minimum",
            "equal",
            "not_equal",
            "less",
            "less_equal",
            "greater",
            "greater_equal",
            "logical_and",
            "logical_or",
            "mse_loss",
            "binary_cross_entropy",
            "binary_cross_entropy_with_logits",
        ]
    },
    **{
        name: (big(), {})
        for name in [
            "neg",
            "exp",
            "log",
            "log1p",
            "sqrt",
            "abs",
            "sin",
            "cos",
            "sign",
            "floor",
            "ceil",
            "round",
            "relu",
            "sigmoid",
            "tanh",
            "gelu",
            "softmax",
            "log_softmax",
            "logical_not",
            "isnan",
            "isfinite",
            "transpose",
            "clone",
            "tril",
            "triu",
        ]
    },
    **{
        name: (big(), {"axis": 1})
        for name in [
            "sum",
            "mean",
            "max",
            "min",
            "prod",
            "var",
            "std",
            "norm",
            "logsumexp",
            "cumsum",
            "any",
            "all",
            "flip",
        ]
    },
    "clip": (big(), {"low": 0.2, "high": 0.8}),
    "cross_entropy": ((leaf(40, 50), np.arange(40)), {}),
    "layer_norm": ((leaf(*BIG), leaf(50), leaf(50)), {}),
    "rms_norm": ((leaf(*BIG), leaf(50)), {}),
    "batch_norm2d": ((leaf(5, 2, 20, 20), leaf(2), leaf(2)), {}),
    "batch_norm2d_eval": ((leaf(5, 2, 20, 20), leaf(2), leaf(2), leaf(2), leaf(2)), {}),
    "reshape": (big(), {"shape": (50, 40)}),
    "permute": (big(), {"axes": (1, 0)}),
    "squeeze": (big(leaf(1, 40, 50)), {"axis": 0}),
    "expand_dims": (big(), {"axis": 0}),
    "broadcast_to": (big(), {"shape": (2, *BIG)}),
    "pad": (big(), {"pad_width": 1}),
    "split": (big(), {"sections": 2}),
    "cast": ((leaf(*BIG), np.empty(0, np.float32)), {}),
    "convert": ((leaf(*BIG), np.empty(0, np.int64)), {}),
    "tile": (big(), {"reps": (2, 2)}),
    "repeat": (big(), {"repeats": 2, "axis": 1}),
    "where": ((np.tri(40, 50) > 0, leaf(*BIG), leaf(*BIG)), {}),
    "masked_fill": ((leaf(*BIG), np.tri(40, 50) > 0), {"value": 0.0}),
    "one_hot": ((np.arange(40) % 5,), {"num_classes": 50}),
}
UNCOUNTED = {"argmax", "argmin", "rotary", "adaptive_avg_pool2d"}  # NumPy does them without ufuncs


def example_record(name: str) -> Record:
    """One call of a primitive on arrays so large that odd steps do not show."""
    operands, params = EXAMPLES[name]
    records: list[Record] = []
    with listening(lambda event: records.append(event.record)):
        primitives()[name](*operands, **params)
    return records[0]


def counting(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return tuple(counting(each) for each in value)
    return value.view(Counting) if isinstance(value, np.ndarray) else value


def test_each_table_entry_has_an_example() -> None:
    assert STEPS.keys() == EXAMPLES.keys() | UNCOUNTED


@pytest.mark.once
@pytest.mark.parametrize("name", EXAMPLES)
def test_the_steps_forward_are_those_of_the_definition(name: str) -> None:
    record = example_record(name)
    Counting.steps = 0
    record.primitive.definition(*counting(record.arrays), **record.params)
    stated = cost_of(Event("forward", record, None, 0, 0))
    assert stated is not None
    size = max(np.size(a) for a in [*record.arrays, record.out] if not isinstance(a, tuple))
    assert abs(Counting.steps - stated.other) < 0.6 * size
    assert stated.flops == 0


@pytest.mark.once
@pytest.mark.parametrize("name", [name for name in EXAMPLES if name in RULES])
def test_the_steps_backward_are_those_of_the_rule_when_all_gradients_are_wanted(name: str) -> None:
    record = example_record(name)
    targets = ("cross_entropy", "mse_loss", "binary_cross_entropy")
    floats = [np.asarray(a).dtype.kind == "f" for a in record.arrays]
    record.needs = [is_float and not (name in targets and i) for i, is_float in enumerate(floats)]
    ones = [
        np.ones_like(out) for out in (record.out if type(record.out) is tuple else [record.out])
    ]
    g = counting(tuple(ones)) if type(record.out) is tuple else counting(ones[0])
    stated = Event("backward", record, record.arrays, 0, 0)
    plain, out = record.arrays, record.out
    record.arrays = list(counting(plain))
    record.out = counting(out)
    Counting.steps = 0
    RULES[name](g, record)
    counted = Counting.steps
    record.arrays, record.out = plain, out
    known = cost_of(stated)
    assert known is not None
    size = max(np.size(a) for a in [*plain, *ones])
    assert abs(counted - known.other) < 0.6 * size, counted / size


@pytest.mark.once
@pytest.mark.parametrize("name", [name for name in EXAMPLES if name in RULES])
def test_a_rule_reads_what_the_table_says_and_nothing_else(name: str) -> None:
    """Where other numbers stand in what it does not read, its gradients are the same."""
    record = example_record(name)
    floats = [isinstance(a, np.ndarray) and a.dtype.kind == "f" for a in record.arrays]
    record.needs = list(floats)
    if name in ("cross_entropy", "mse_loss", "binary_cross_entropy"):
        record.needs[1] = False
    several = type(record.out) is tuple
    rng = np.random.default_rng(1)
    ones = tuple(rng.standard_normal(out.shape).astype(out.dtype) for out in arrays_in(record.out))
    g = ones if several else ones[0]

    def gradients() -> list[np.ndarray[Any, Any]]:
        with np.errstate(all="ignore"):
            return [np.array(dx) for dx in arrays_in(RULES[name](g, record))]

    def other(value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(map(other, value))
        is_float = isinstance(value, np.ndarray) and value.dtype.kind == "f"
        return rng.uniform(-3, 3, value.shape).astype(value.dtype) if is_float else value

    def same(before: Any, after: Any) -> bool:
        return all(np.array_equal(a, b, equal_nan=True) for a, b in zip(before, after, strict=True))

    before, arrays, out = gradients(), record.arrays, record.out
    reads = STEPS[name].reads
    record.arrays = [other(a) for a in arrays]
    assert same(before, gradients()) == (not {"x", "p"} & set(reads))
    record.arrays, record.out = arrays, other(out)
    assert same(before, gradients()) == ("y" not in reads)
