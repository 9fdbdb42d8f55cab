"""A plugin for pytest that runs the course's checks on the student's file, as `tito test` does.

    python -m pytest -p tinytorch.course.mine --pyargs tinytorch.core.checks.check_06_autograd

Without it pytest would import the installed module wherever the student's has not joined yet, and
pass. Left out: order, limits of time and memory, and waiting, which `tito test` adds.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from tinytorch.course import overlay
from tinytorch.course.catalogue import file_of, lesson_path, modules


class Checks(pytest.Module):
    """A file of checks: its functions are called check_..., not test_..."""

    def funcnamefilter(self, name: str) -> bool:
        return name.startswith("check_")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--exercise", metavar="NAME", help="run the checks of one exercise only")


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> Any:
    """Put the module under test in force before its checks are imported."""
    for module in modules():
        lesson = lesson_path(module.module)
        if lesson is not None and module_path.name == f"check_{lesson.stem}.py":
            _put_in_force(module.module)
            return Checks.from_parent(parent, path=module_path)
    return None


def pytest_collection_modifyitems(config: pytest.Config, items: list[Any]) -> None:
    wanted = config.getoption("exercise")
    if wanted is None:
        return
    kept = [item for item in items if getattr(item.function, "exercise", None) == wanted]
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = kept


def _put_in_force(module: str) -> None:
    finder = next((f for f in sys.meta_path if isinstance(f, overlay.Overlay)), None)
    if finder is None:
        raise pytest.UsageError("there is no workspace here: its file is what should be checked")
    file = finder.root / file_of(module)
    if not file.exists():
        raise pytest.UsageError(f"there is no {file} yet: tito start")
    finder.files[module] = file
