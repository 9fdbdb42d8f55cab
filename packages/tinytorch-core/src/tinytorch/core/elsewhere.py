"""What users of PyTorch and NumPy type, and what it is called here: the words for errors.

Four tables: attributes of a tensor, names in a front door, arguments of a call, and NumPy's
functions. An error says them where a name is not found, so that a habit costs one look and no
search. Left out: names that mean the same in both, and what TinyTorch does not have at all.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import NoReturn, ParamSpec, TypeVar

from tinytorch.core.late import late

_CPU = "nothing: every tensor is on the CPU"

# x.name
ATTRIBUTES = {
    "add_": "x = x + y, or x.data += y inside no_grad()",
    "argsort": "tinytorch.argsort(x, axis=...)",
    "copy_": "x.data[...] = array",
    "cpu": _CPU,
    "cuda": _CPU,
    "dim": "x.ndim",
    "expand": "x.broadcast_to(...)",
    "fill_": "x.data[...] = value",
    "float": "x.astype(np.float32)",
    "gather": "tinytorch.take_along_axis(x, indices, axis=...)",
    "gelu": "tinytorch.gelu(x)",
    "grad_fn": "x.node",
    "half": "x.astype(np.float16)",
    "log_softmax": "tinytorch.log_softmax(x, axis=...)",
    "long": "x.astype(np.int64)",
    "masked_fill": "tinytorch.masked_fill(x, mask, value=...)",
    "mul_": "x = x * y, or x.data *= y inside no_grad()",
    "norm": "tinytorch.norm(x, axis=...)",
    "numel": "x.size",
    "relu": "tinytorch.relu(x)",
    "requires_grad_": "x.requires_grad = True",
    "sigmoid": "tinytorch.sigmoid(x)",
    "softmax": "tinytorch.softmax(x, axis=...)",
    "sort": "tinytorch.sort(x, axis=...)",
    "t": "x.T",
    "tanh": "tinytorch.tanh(x)",
    "to": "x.astype(dtype)",
    "topk": "tinytorch.topk(x, k, axis=...)",
    "type": "x.astype(dtype)",
    "unsqueeze": "x.expand_dims(axis)",
    "view": "x.reshape(...)",
    "zero_": "x.data[...] = 0",
}

# module.name
NAMES = {
    "tinytorch": {
        "as_tensor": "tinytorch.Tensor(data), or tinytorch.from_numpy(array) to share its memory",
        "autograd": "x.backward(), tinytorch.gradcheck, tinytorch.no_grad",
        "bmm": "tinytorch.matmul(x, y), or x @ y",
        "cat": "tinytorch.concatenate(tensors, axis=...)",
        "clamp": "tinytorch.clip(x, low=..., high=...)",
        "cuda": _CPU,
        "device": _CPU,
        "dot": "x @ y",
        "empty": "tinytorch.zeros(...)",
        "float": "np.float32",
        "float32": "np.float32",
        "float64": "np.float64",
        "gather": "tinytorch.take_along_axis(x, indices, axis=...)",
        "Generator": "np.random.default_rng(seed)",
        "hstack": "tinytorch.concatenate(tensors, axis=1)",
        "inference_mode": "tinytorch.no_grad()",
        "int64": "np.int64",
        "is_tensor": "isinstance(x, tinytorch.Tensor)",
        "long": "np.int64",
        "mm": "tinytorch.matmul(x, y), or x @ y",
        "set_grad_enabled": "tinytorch.no_grad() and tinytorch.enable_grad()",
        "unsqueeze": "tinytorch.expand_dims(x, axis=...)",
        "utils": "tinytorch.data",
        "vstack": "tinytorch.concatenate(tensors, axis=0)",
    },
    "tinytorch.nn": {
        "functional": "tinytorch.relu, tinytorch.softmax ...; losses are in tinytorch.core.losses",
        "Identity": "lambda x: x, because Sequential takes functions too",
        "init": "kaiming_uniform, xavier_uniform and uniform in tinytorch.core.layers",
        "ModuleDict": "a plain dict of modules, in an attribute",
        "ModuleList": "a plain list of modules, in an attribute",
        "NLLLoss": "CrossEntropyLoss, which takes logits",
        "Parameter": "Tensor(data, requires_grad=True), in an attribute of the module",
        "ParameterDict": "a plain dict of tensors, in an attribute",
        "ParameterList": "a plain list of tensors, in an attribute",
        "utils": "tinytorch.optim.clip_grad_norm",
    },
    "tinytorch.optim": {
        "clip_grad_norm_": "clip_grad_norm",
        "lr_scheduler": "CosineSchedule, LinearSchedule, StepSchedule: Trainer(..., schedule=...)",
    },
    "tinytorch.data": {
        "default_collate": "what DataLoader does anyway; DataLoader(..., collate=...) changes it",
        "IterableDataset": "any iterable of batches (x, y): Trainer takes it as it is",
    },
    "tinytorch.datasets": {"transforms": "tinytorch.data.transforms"},
}

# call(argument=...)
ARGUMENTS = {
    "collate_fn": "collate",
    "device": _CPU,
    "dim": "axis",
    "dim0": "axis0",
    "dim1": "axis1",
    "end_dim": "end_axis",
    "generator": "rng, such as np.random.default_rng(seed)",
    "inplace": "nothing: an operation makes a new tensor",
    "keepdim": "keepdims",
    "num_workers": "prefetch, how many batches a background thread keeps ready",
    "out": "what the call returns",
    "pin_memory": _CPU,
    "root": "the environment variable TINYTORCH_DATA, which names a folder to read from",
    "size": "shape",
    "start_dim": "start_axis",
    "train": 'split="train" or split="test"',
    "transform": "the transform of tinytorch.data.DataLoader",
    "unbiased": "correction, 1 or 0",
}


class Elsewhere:
    """A name that a user of PyTorch may look for: an AttributeError that says what it is here.

    A `__getattr__` would do the same for all names, and make each attribute of a tensor slower.
    """

    def __init__(self, instead: str) -> None:
        self.instead = instead

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, instance: object, owner: type | None = None) -> NoReturn:
        raise AttributeError(
            f"'Tensor' object has no attribute {self.name!r}; here that is {self.instead}"
        )


def argument_error(call: str, error: TypeError) -> TypeError | None:
    """Say what an argument is called here, where `error` is that `call` does not know it."""
    found = re.search(r"unexpected keyword argument '(\w+)'", str(error))
    if found is None or found[1] not in ARGUMENTS:
        return None
    return TypeError(f"{call}() has no argument {found[1]!r}; here that is {ARGUMENTS[found[1]]}")


# np.name(x), where the name differs
UFUNCS = {
    "absolute": "abs",
    "divide": "div",
    "float_power": "pow",
    "invert": "logical_not",
    "multiply": "mul",
    "negative": "neg",
    "power": "pow",
    "rint": "round",
    "subtract": "sub",
}


def ufunc_error(name: str, x: object) -> TypeError:
    """Say what to write in place of NumPy's function `name` of the tensor `x`."""
    ours = UFUNCS.get(name, name)
    known = ours in late("ops").__all__
    ways = [f"tinytorch.{ours}"] if known else []
    ways += [f"x.{ours}()"] if known and hasattr(x, ours) else []
    ways += [f"np.{name}(x.data) for an array"]
    return TypeError(
        f"np.{name} takes no tensor, because it would leave no record for backward(). "
        f"Use {', or '.join(ways)}"
    )


P = ParamSpec("P")
R = TypeVar("R")


def explains_arguments(function: Callable[P, R]) -> Callable[P, R]:
    """Decorate an `__init__`: an argument that only PyTorch has is told by its name here.

    Not for what is called often: the call in between takes a sixth of a microsecond.
    """
    name = function.__qualname__.removesuffix(".__init__")

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except TypeError as error:
            told = argument_error(name, error)
            if told is None:
                raise
            raise told from None

    return call
