"""Every primitive of core and arch as ONNX: their own tests' cases, run by two other programs.

The tables of cases are core's and arch's own. Each is exported as a model whose operands are
inputs; `export` itself compares it with onnx's reference evaluator and with ONNX Runtime, on other
values, and here the case's own values are compared with what NumPy says.
"""

import importlib
import pkgutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx", reason="onnx is not installed: the extra [onnx]")

from cases import elementwise, products, reductions, shapes
from operation_helper import Case, rounding

import tinytorch.arch
import tinytorch.core
from tinytorch import Tensor
from tinytorch.core.layers import Module
from tinytorch.core.primitive import primitives, wrap
from tinytorch.opt.onnx import CONVERTERS, ExportError, export, import_
from tinytorch.opt.onnx.checking import reference, runtime

ARCH = Path(__file__).parents[2] / "tinytorch-arch" / "tests"
TABLES = [
    elementwise, reductions, shapes, products,
    *(importlib.import_module(path.stem) for path in sorted(ARCH.glob("cases_*.py"))),
]  # fmt: skip
HEARD_IN_OTHERS = {"argsort", "concat"}  # called by sort and topk, concatenate and stack
CASES: list[Case] = [case for table in TABLES for case in table.CASES]


for package in (tinytorch.core, tinytorch.arch):
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if ".milestones" not in module.name:  # those are scripts
            importlib.import_module(module.name)


class Calls(Module):
    """A model that calls an operation once: arrays are its inputs, the rest is written in it."""

    def __init__(self, case: Case, arrays: list[Any]) -> None:
        self.case = case
        self._arrays = arrays

    def forward(self, *inputs: Tensor) -> Any:
        given = iter(inputs)
        operands = [next(given) if isinstance(x, np.ndarray) else x for x in self._arrays]
        out = self.case.outputs(operands)
        return out if len(out) > 1 else out[0]


pytestmark = pytest.mark.once
OTHERS_CANNOT = {  # what is right here, and not supported elsewhere
    "mean-22": "a mean of nothing is nan; ONNX Runtime says 0",
    "mse_loss-8": "the same",
    "cross_entropy-19": "the same",
    "conv2d-23": "ONNX Runtime has no convolution in float64",
    "conv2d-24": "the same",
    "avg_pool2d-9": "nor an average",
    "adaptive_avg_pool2d-4": "onnx's evaluator divides by the size of the batch, 0",
}


def test_every_primitive_has_a_converter_and_a_case() -> None:
    names = {
        name
        for name, made in primitives().items()
        if made.definition.__module__.startswith(("tinytorch.core.", "tinytorch.arch."))
    }
    assert sorted(names - CONVERTERS.keys()) == []
    assert sorted(names - {case.name for case in CASES} - HEARD_IN_OTHERS) == []


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_case_computes_the_same_in_other_programs(case: Case) -> None:
    arrays = case.arrays()
    given = tuple(x for x in arrays if isinstance(x, np.ndarray))
    model, example = Calls(case, arrays), tuple(wrap(x, None) for x in given)
    if case.id in OTHERS_CANNOT:
        with pytest.raises(ExportError, match=r"ONNX Runtime|onnxruntime|onnx\.reference"):
            export(model, example, axes={})
        return
    proto = export(model, example, axes={})
    feed = {f"input_{i}" if len(given) > 1 else "input": x for i, x in enumerate(given)}
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        wanted = case.expected(arrays)
        answers = [run(feed) for run in (reference(proto), runtime(proto))]
        back = import_(proto)(*example)  # and the file, as a model of TinyTorch again
        answers.append([x.data for x in (back if isinstance(back, tuple) else (back,))])
    for answer in answers:
        for have, want in zip(answer, wanted, strict=True):
            rtol, atol = rounding(case, want)
            np.testing.assert_allclose(have, want, 10 * rtol, 10 * atol)
