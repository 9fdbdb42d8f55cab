"""Names that a module offers and another module supplies, imported at first use.

A front door such as `tinytorch.nn` is a static table. Nothing is scanned and nothing is imported
until a name is asked for, so `import tinytorch` is cheap, works when a student's `tensor.py` does
not even parse, and knows the names of tiers that are not installed. Those names stay out of `dir()`
and `import *`; asking for one says which package has it.

Of modules that are not there, such as `tinytorch.utils.data` or those of a tier that is not
installed, a finder at the end of Python's list says what to write or to install instead.

Left out: finding tiers by entry point. That is the business of `tito`; here it would cost more than
the whole import.
"""

import builtins
import importlib
import importlib.util
import sys
from collections.abc import Callable, Mapping, Sequence
from types import FrameType

# the modules of other tiers that front doors name, each with the number of its lesson
LESSONS = {
    "tinytorch.arch.convolutions": "09",
    "tinytorch.arch.ops.images": "09",
    "tinytorch.arch.ops.normalization": "09",
    "tinytorch.arch.tokenization": "10",
    "tinytorch.arch.embeddings": "11",
    "tinytorch.arch.attention": "12",
    "tinytorch.arch.transformers": "13",
}


TIERS = ("arch", "opt", "olympics")  # the folders that other distributions add

FOLDERS = ("tinytorch", "tinytorch.nn", "tinytorch.optim")  # where PyTorch has further modules

# an index, a clone, a course's own folder: whoever installed core knows, and its README shows how
_SOURCE = "install {} from where tinytorch-core came from (see its README)"


def lazy_exports(
    owner: str, table: Mapping[str, Sequence[str]], modules: Sequence[str] = ()
) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """Return `__getattr__` and `__dir__` for the module `owner` (PEP 562).

    `table` says which module supplies which names: `{"tinytorch.core.layers": ("Linear",)}`.
    `modules` are offered whole, under the last part of their name: `("tinytorch.nn",)`.
    """
    suppliers = {name: module for module, names in table.items() for name in names}
    whole = {module.rpartition(".")[2]: module for module in modules}

    def get(name: str) -> object:
        if name == "__all__":  # asked for by `import *`, which shall not replace sum() and max()
            return [name for name in offered() if name not in vars(builtins)]
        if name in whole:
            value: object = importlib.import_module(whole[name])
        elif name in suppliers:
            value = _supply(name, suppliers[name])
        else:
            raise _unknown(owner, name, sys._getframe(1))
        setattr(sys.modules[owner], name, value)  # from now on a plain attribute
        return value

    def directory() -> list[str]:
        return sorted({*vars(sys.modules[owner]), *offered()})

    def offered() -> list[str]:
        found = [name for module, names in table.items() if _is_there(module) for name in names]
        return found + [name for name, module in whole.items() if _is_there(module)]

    return get, directory


def _supply(name: str, module: str) -> object:
    """Take `name` from `module`; where its tier is absent or too old, say what to install.

    That is an ImportError: of an AttributeError, `from tinytorch.nn import Conv2d` would show
    nothing but "cannot import name".
    """
    try:
        supplier = importlib.import_module(module)
    except ModuleNotFoundError as error:
        # something else missing inside that tier is a fault of its own: show it as it is
        if module not in LESSONS or not f"{module}.".startswith(f"{error.name}."):
            raise
        raise ImportError(_absence(name, module), name=module) from None
    if module in LESSONS and not hasattr(supplier, name):
        raise ImportError(_absence(name, module), name=module)
    value: object = getattr(supplier, name)
    return value


def _unknown(owner: str, name: str, caller: FrameType) -> AttributeError | ImportError:
    """The error for a name that `owner` does not have, with what PyTorch's names are called here.

    An import statement shows nothing of an AttributeError's message, so it gets an ImportError.
    """
    from opcode import opmap

    from tinytorch.core.elsewhere import NAMES

    message = f"module {owner!r} has no attribute {name!r}"
    instead = NAMES.get(owner, {}).get(name)
    if instead is None:
        return AttributeError(message)
    message = f"{message}; here that is {instead}"
    if caller.f_code.co_code[caller.f_lasti] == opmap["IMPORT_FROM"]:
        return ImportError(message, name=owner)
    return AttributeError(message)


def _absence(name: str, module: str) -> str:
    distribution = _tier(module).replace(".", "-")  # tinytorch.arch -> tinytorch-arch
    place = f"{name} is module {LESSONS[module]}, in {distribution}"
    if not _is_there(_tier(module)):
        return not_installed(place, distribution)
    newer = _SOURCE.format(f"a newer {distribution}")
    return f"{place}, but the version installed does not have it: {newer}"


def not_installed(place: str, distribution: str) -> str:
    """Say that what `place` names, "1998 is in tinytorch-arch", has to be installed, and how."""
    return f"{place}, which is not installed: {_SOURCE.format(distribution)}"


class Signpost:
    """The last finder of Python's list: an error that says more than "No module named"."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        owner, _, last = name.rpartition(".")
        if owner not in FOLDERS or last == "core":
            return
        if last in TIERS and owner == "tinytorch":
            distribution = f"tinytorch-{last}"
            message = not_installed(f"{name} comes with {distribution}", distribution)
            raise ModuleNotFoundError(message, name=name)

        from tinytorch.core.elsewhere import NAMES

        instead = NAMES.get(owner, {}).get(last)
        if instead is not None:
            message = f"No module named {name!r}; here that is {instead}"
            raise ModuleNotFoundError(message, name=name)


def install() -> None:
    """Put the signpost behind the other finders, once."""
    if not any(isinstance(finder, Signpost) for finder in sys.meta_path):
        sys.meta_path.append(Signpost())


def _is_there(module: str) -> bool:
    """Whether `module` can be found, without importing it (its packages are imported)."""
    try:
        spec = importlib.util.find_spec(module)
    except ModuleNotFoundError:  # its package is not there
        return False
    return spec is not None and spec.origin is not None  # an empty left-over folder has no origin


def _tier(module: str) -> str:
    return ".".join(module.split(".")[:2])
