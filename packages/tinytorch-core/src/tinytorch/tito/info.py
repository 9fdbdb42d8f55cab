"""`tito info`: what is installed, and where things are. Whether it is right: `doctor.py`."""

from __future__ import annotations

import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import click

DISTRIBUTIONS = ("tinytorch-core", "tinytorch-arch", "tinytorch-opt", "tinytorch-olympics")
OTHERS = ("numpy", "safetensors", "click", "rich", "pooch", "matplotlib")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def info(as_json: bool) -> None:
    """Show versions, data sets, and where things are."""
    from tinytorch.tito.jsonout import emit
    from tinytorch.tito.screen import Screen

    facts = gather()
    if as_json:
        emit(facts)
        return
    screen = Screen()
    for title, part in (
        ("TinyTorch", "distributions"),
        ("Beneath it", "beneath"),
        ("Data sets", "data"),
        ("Where", "places"),
    ):
        screen.line(title, "bold")
        screen.pairs([(key, value or "not installed") for key, value in facts[part].items()])
    for fault in facts["faults"]:
        screen.notice(f"Left out: {fault}")
    screen.line("")
    screen.line("Is all well? tito doctor")


def gather() -> dict[str, Any]:
    """All that the command shows, as plain values: None where something is not installed."""
    from tinytorch.course.tiers import find_tiers
    from tinytorch.datasets import manage
    from tinytorch.datasets.folders import cache_folder, data_folder
    from tinytorch.tito.data import where

    data = data_folder()
    return {
        "distributions": {name: _version(name) for name in DISTRIBUTIONS},
        "beneath": {
            "Python": platform.python_version(),
            **{name: _version(name) for name in OTHERS},
        },
        "data": {status.name: where(status) for status in manage.registry()},
        "places": {
            "tinytorch": str(Path(__file__).parents[1]),
            "Python": sys.executable,
            "TINYTORCH_DATA": str(data) if data else "not set",
            "cache": str(cache_folder()),
        },
        "faults": [
            f"tier {fault.name!r} of {fault.distribution}: {fault.reason}"
            for fault in find_tiers().faults
        ],
    }


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None
