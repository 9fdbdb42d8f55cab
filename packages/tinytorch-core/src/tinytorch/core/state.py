"""What the attributes of a module mean: which tensors are its state, and which of them are trained.

`Module` (module 03) asks here whenever an attribute is set, and when it is walked through. Left
out: the modules inside a module, which are found by their type alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NoReturn

from tinytorch.core.tensor import Tensor

HOLDERS = (Tensor, list, tuple, dict)  # of state, in an attribute


def items(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Walk through the lists, tuples and dicts of a public attribute."""
    if name.startswith("_"):
        return
    if isinstance(value, list | tuple):
        for i, item in enumerate(value):
            yield from items(f"{name}.{i}", item)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from items(f"{name}.{key}", item)
    else:
        yield name, value


def is_state(tensor: Tensor) -> bool:
    """Whether a tensor is saved though nobody announced it: a floating-point leaf."""
    return tensor.node is None and tensor.dtype.kind == "f"


def trained(name: str, value: Any) -> set[str]:
    """The names, below that of an attribute, of what requires a gradient as it is set."""
    return {
        inner
        for inner, item in items(name, value)
        if isinstance(item, Tensor) and item.requires_grad and is_state(item)
    }


def require_parameter(owner: object, name: str, old: Tensor, value: Any) -> None:
    """Raise TypeError where setting an attribute would silently end the training of a parameter.

    A parameter makes room for another one, for a module, or for None.
    """
    if not old.requires_grad or not is_state(old):
        return
    if isinstance(value, Tensor):
        if not value.requires_grad or not is_state(value):
            computed = value.node is not None
            refuse(owner, name, "a result" if computed else "a tensor that requires no gradient")
    elif value is not None and not callable(value):
        refuse(owner, name, f"a {type(value).__name__}")


def refuse(owner: object, name: str, what: str) -> NoReturn:
    """Raise the error for `what`, which can be no parameter."""
    raise TypeError(
        f"{type(owner).__name__}.{name} is a parameter, and {what} in its place would not be "
        f"trained. To change its values: model.{name}.data = array; for a new parameter: "
        f"model.{name} = Tensor(array, requires_grad=True); to freeze it: "
        f"model.{name}.requires_grad = False"
    )


class Parameters(list[Tensor]):
    """A list of parameters. PyTorch's is an iterator, and `next(model.parameters())` a habit."""

    def __next__(self) -> NoReturn:
        raise TypeError("parameters() is a list here: model.parameters()[0], not next(...)")
