"""Imports that wait until they are needed, where two modules need each other."""

import functools
import importlib
from typing import Any


@functools.cache
def late(module: str) -> Any:
    """Import a module of core when it is first needed: `late("ops")`."""
    return importlib.import_module(f"tinytorch.core.{module}")
