"""Write down what PyTorch answers, so that tests can compare with it where it is not installed.

`python tests/oracle/record.py` writes `values.json` beside this file; given the `tests/` folder of
another tier, it writes `oracle/values.json` in there from the cases of that tier. The file holds,
for the first case of each operation, each case at a corner of its function, and each small case of
a loss, the operands, PyTorch's outputs, and its gradients for the output weights of
`operation_helper.weights_for`. The operands are written too, because NumPy may one day draw others
from the same seed.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np

TESTS = Path(__file__).parents[1]
if __name__ == "__main__":
    sys.path[:0] = [*sys.argv[1:], str(TESTS)]

import operation_cases  # noqa: E402
from operation_cases import CASES  # noqa: E402
from operation_helper import Case, as_tuple, weights_for  # noqa: E402

FILE = Path(operation_cases.__file__).parent / "oracle" / "values.json"
LOSSES = {"mse_loss", "cross_entropy", "binary_cross_entropy", "binary_cross_entropy_with_logits"}


def recorded_cases() -> list[Case]:
    """The cases that are written down."""
    return [c for c in CASES if c.id.endswith("-0") or c.row.kink or is_small_loss(c)]


def is_small_loss(case: Case) -> bool:
    """Whether this is a loss of a few numbers."""
    sizes = [np.size(x) for x in case.arrays()]
    return case.name in LOSSES and 0 < max(sizes) <= 8 and not case.row.noisy


def as_recorded(array: Any) -> Any:
    """An array as nested lists of seven digits; true is 1, and what is not finite is text."""
    array = np.asarray(array)
    if array.ndim:
        return [as_recorded(part) for part in array]
    if array.dtype.kind != "f":
        return int(array)
    return float(f"{array:.7g}") if np.isfinite(array) else str(array)


def as_operands(case: Case, entry: dict[str, Any]) -> list[Any]:
    """The recorded operands, in the types and memory layouts that the case draws."""
    drawn = case.arrays()
    return [
        np.array(data, x.dtype).reshape(x.shape) if isinstance(x, np.ndarray) else x
        for x, data in zip(drawn, entry["operands"], strict=True)
    ]


def recorded() -> dict[str, Any]:
    """Ask PyTorch."""
    import torch

    entries = {}
    for case in recorded_cases():
        arrays = case.arrays()
        tensors = [torch.tensor(x) if isinstance(x, np.ndarray) else x for x in arrays]
        for x in tensors:
            if isinstance(x, torch.Tensor) and x.dtype.is_floating_point:
                x.requires_grad = True
        with warnings.catch_warnings(action="ignore"):
            outputs = as_tuple(case.torch(torch, *tensors, **case.row.params))
        plain = [out.detach().numpy() for out in outputs]
        pairs = [
            (out, torch.tensor(w))
            for out, w in zip(outputs, weights_for(tuple(plain)), strict=True)
            if out.requires_grad
        ]
        if pairs:
            ends, weights = zip(*pairs, strict=True)
            torch.autograd.backward(ends, weights)
        found = [getattr(x, "grad", None) for x in tensors]
        entries[case.id] = {
            "operands": [as_recorded(x) if isinstance(x, np.ndarray) else x for x in arrays],
            "outputs": [as_recorded(out) for out in plain],
            "gradients": [None if g is None else as_recorded(g.numpy()) for g in found],
        }
    return entries


def main() -> None:
    """Write the file, one line an entry."""
    lines = [f"{json.dumps(name)}: {json.dumps(entry)}" for name, entry in recorded().items()]
    FILE.parent.mkdir(exist_ok=True)
    temporary = FILE.with_suffix(".tmp")
    temporary.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    os.replace(temporary, FILE)
    print(f"{len(lines)} cases, {FILE.stat().st_size} bytes")


if __name__ == "__main__":
    main()
