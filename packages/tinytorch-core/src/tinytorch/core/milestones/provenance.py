"""Whose code is at work: for each module of the course, the student's file or the reference.

A module that comes from a student's workspace says so by its loader's attribute `is_workspace`.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec

from tinytorch.course.tiers import tiers


def provenance(numbers: Iterable[str]) -> dict[str, bool]:
    """For each course module in `numbers` ("06"), whether it is the student's own."""
    modules = {module.number: module.module for tier in tiers() for module in tier.modules}
    own = {}
    for number in numbers:
        spec = find_spec(modules[number])
        own[number] = bool(getattr(spec and spec.loader, "is_workspace", False))
    return own


def sentence(own: dict[str, bool]) -> str:
    """The same for a reader: "2 of 8 modules are yours (01, 06), the rest ..."."""
    mine = sum(own.values())
    if not mine:
        return f"0 of {len(own)} modules are yours, all are from the reference"
    listed = ", ".join(number for number, yours in own.items() if yours)
    rest = ", the rest from the reference" if mine < len(own) else ""
    return f"{mine} of {len(own)} modules are yours ({listed}){rest}"
