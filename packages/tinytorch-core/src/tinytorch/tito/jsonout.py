"""JSON on standard output, for programs that call tito: ASCII, so that no encoding breaks it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def emit(value: Any) -> None:
    """Print `value` as indented JSON; paths become strings."""
    print(json.dumps(value, indent=2, default=_simple))


def _simple(value: object) -> str:
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} is not JSON")
