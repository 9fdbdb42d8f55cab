"""Names that a module offers and another module supplies, imported at first use.

A front door such as `tinytorch.nn` is a static table, name -> module. Nothing is scanned and nothing
is imported until a name is asked for, so `import tinytorch` is cheap, works when a student's
`tensor.py` does not even parse, and knows the names of tiers that are not installed. Those names
stay out of `dir()` and `import *`; asking for one says which package has it.

Left out: finding tiers by entry point. That is the business of `tito`; here it would cost more than
the whole import.
"""

import importlib
import importlib.util
import sys
from collections.abc import Callable, Mapping

# the modules outside core that front doors name: the number of the lesson
LESSONS = {
    "tinytorch.arch.convolutions": "09",
    "tinytorch.arch.tokenization": "10",
    "tinytorch.arch.embeddings": "11",
    "tinytorch.arch.attention": "12",
    "tinytorch.arch.transformers": "13",
}


def lazy_exports(
    owner: str, table: Mapping[str, str]
) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """Return `__getattr__` and `__dir__` for the module `owner` (PEP 562).

    `table` says which module supplies each name: `{"Linear": "tinytorch.core.layers"}`. A name
    that is itself a module is given by its own full name: `{"nn": "tinytorch.nn"}`.
    """

    def __getattr__(name: str) -> object:
        if name == "__all__":  # asked for by `import *`
            return _present(table)
        if name not in table:
            raise AttributeError(f"module {owner!r} has no attribute {name!r}")
        value = _supply(name, table[name])
        setattr(sys.modules[owner], name, value)  # from now on a plain attribute
        return value

    def __dir__() -> list[str]:
        return sorted({*vars(sys.modules[owner]), *_present(table)})

    return __getattr__, __dir__


def _supply(name: str, module: str) -> object:
    """Import `module` and take `name` from it; ImportError with the repair where it is absent.

    ImportError and not AttributeError, because of the latter `from tinytorch.nn import Conv2d`
    would show nothing but "cannot import name".
    """
    try:
        supplier = importlib.import_module(module)
    except ModuleNotFoundError as error:
        # a missing module of any other name is a fault inside that tier: show it as it is
        if module not in LESSONS or error.name not in {_tier(module), module}:
            raise
        raise ImportError(_absence(name, module), name=module) from None
    if module.endswith(f".{name}"):
        return supplier
    if not hasattr(supplier, name) and module in LESSONS:
        raise ImportError(_absence(name, module), name=module)
    value: object = getattr(supplier, name)
    return value


def _absence(name: str, module: str) -> str:
    """Say why `name` cannot be had, and what to type."""
    distribution = _tier(module).replace(".", "-")  # tinytorch.arch -> tinytorch-arch
    place = f"{name} is module {LESSONS[module]}, in {distribution}"
    if not _is_installed(_tier(module)):
        return f"{place}, which is not installed: python -m pip install {distribution}"
    return (
        f"{place}, but the installed version does not have it: "
        f"python -m pip install --upgrade {distribution}"
    )


def _present(table: Mapping[str, str]) -> list[str]:
    """The names of `table` whose module can be found, in the table's order."""
    found = {module: _is_installed(module) for module in set(table.values())}
    return [name for name, module in table.items() if found[module]]


def _is_installed(module: str) -> bool:
    if module in LESSONS and not _is_installed(_tier(module)):
        return False  # find_spec would import the tier that is not there
    spec = importlib.util.find_spec(module)
    return spec is not None and spec.origin is not None  # an empty left-over folder has no origin


def _tier(module: str) -> str:
    return ".".join(module.split(".")[:2])
