"""A model with some of its modules exchanged for others, as a copy: the first one stays as it is.

    small = replaced(model, {"layers.0": QuantizedConv2d(...)})

Names are those of `model.named_modules()`. Left out: deciding what to exchange, which is what
quantisation, pruning and low rank are about.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, TypeVar

from tinytorch.core.layers import Module
from tinytorch.core.tensor import Tensor

M = TypeVar("M", bound=Module)


def copy_of(model: M) -> M:
    """Return a copy of a model that shares no array with it.

    Parameters that are one tensor in two places are so in the copy. Gradients are not copied.
    """
    tensors = [tensor for module in model.modules() for tensor in module.own_tensors().values()]
    memo: dict[int, Any] = {
        id(tensor): Tensor(tensor.data, requires_grad=tensor.requires_grad) for tensor in tensors
    }
    return copy.deepcopy(model, memo)


def module_at(model: Module, name: str) -> Module:
    """Return the module called `name` inside `model`. Raises KeyError, naming those there are."""
    for known, module in model.named_modules():
        if known == name:
            return module
    names = ", ".join(known for known, _ in model.named_modules() if known)
    raise KeyError(f"{type(model).__name__} has no module {name!r}; there are {names}")


def replaced(model: M, exchange: Mapping[str, Module]) -> M:
    """Return a copy of `model` with the modules of these names exchanged.

    A module that is used in two places is exchanged in both. Raises KeyError for a name that there
    is none of, ValueError for "", which is the model itself.
    """
    if "" in exchange:
        raise ValueError('"" names the model itself: use the new module instead of replacing it')
    result = copy_of(model)
    old = {id(module_at(result, name)): new for name, new in exchange.items()}
    for module in result.modules():
        _exchange(module, old)
    return result


def _exchange(module: Module, old: Mapping[int, Module]) -> None:
    """Exchange what stands directly in the attributes of a module."""
    for name, value in vars(module).items():
        if not name.startswith("_"):
            vars(module)[name] = _with_new(value, old)


def _with_new(value: Any, old: Mapping[int, Module]) -> Any:
    if isinstance(value, Module):
        return old.get(id(value), value)
    if isinstance(value, list):
        return [_with_new(item, old) for item in value]
    if isinstance(value, tuple) and type(value) is tuple:
        return tuple(_with_new(item, old) for item in value)
    if isinstance(value, dict):
        return {key: _with_new(item, old) for key, item in value.items()}
    return value
