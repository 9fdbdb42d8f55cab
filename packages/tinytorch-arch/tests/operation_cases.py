"""All cases of all operations of this tier, and every module that may define a primitive.

The tables stand in `cases_*.py`, one file a module of the course, as core's `operation_helper.py`
describes; each holds a list `CASES`. An operation without a case fails `test_arch_operations.py`
by name.
"""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path

from operation_helper import Case

import tinytorch.arch
import tinytorch.core

TIER = "tinytorch.arch"
TABLES = sorted(path.stem for path in Path(__file__).parent.glob("cases_*.py"))
CASES: list[Case] = [case for name in TABLES for case in importlib.import_module(name).CASES]
PUBLIC: set[str] = set()


def import_everything() -> None:
    """Import all of core and arch, so that every primitive and every kernel is registered."""
    for package in (tinytorch.core, tinytorch.arch):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if ".milestones" not in module.name:  # those are scripts
                importlib.import_module(module.name)


import_everything()
