"""All cases of all operations of this tier, and every module that may define a primitive.

The tables stand in `cases/`, one file a family, as `operation_helper.py` describes. An operation
without a case fails `test_operations.py` by name.
"""

from __future__ import annotations

import importlib
import pkgutil

from cases import elementwise, products, reductions, shapes
from operation_helper import Case

import tinytorch.core
from tinytorch.core import ops

TIER = "tinytorch.core"
CASES: list[Case] = [*elementwise.CASES, *reductions.CASES, *shapes.CASES, *products.CASES]
PUBLIC = {*ops.__all__} - {name for name in ops.__all__ if name in vars(ops.creation)}


def import_everything() -> None:
    """Import all of `tinytorch.core`, so that every primitive and every kernel is registered."""
    for module in pkgutil.walk_packages(tinytorch.core.__path__, "tinytorch.core."):
        if ".milestones" not in module.name:  # those are scripts
            importlib.import_module(module.name)


import_everything()
