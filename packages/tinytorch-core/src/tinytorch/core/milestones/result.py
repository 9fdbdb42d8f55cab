"""What a milestone came to: numbers, gates that can fail, and a record that can be kept.

Left out: how it is shown (`frame.py`) and drawn (`plots.py`).
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from tinytorch.core.files import AnyPath, write_atomically


@dataclass(frozen=True)
class Gate:
    """A number and the bound it must keep. A goal is a gate that may be missed without failing.

    value, bound  as fractions where `percent`
    at_most       the bound is the largest value allowed, not the smallest
    """

    what: str
    value: float
    bound: float
    at_most: bool = False
    percent: bool = False
    goal: bool = False

    @property
    def passed(self) -> bool:
        """Whether the bound is kept; a value that is not a number keeps none."""
        return self.value <= self.bound if self.at_most else self.value >= self.bound

    @property
    def wanted(self) -> str:
        """The bound, to be read."""
        return f"{'≤' if self.at_most else '≥'} {self.written(self.bound)}"

    @property
    def verdict(self) -> str:
        """Passed, or missed and by how much."""
        word = ("reached" if self.goal else "passed") if self.passed else "missed"
        if self.passed:
            return word
        gap = abs(self.value - self.bound)
        # 0.949999 is printed as it is judged: below, and not "missed by 0.00"
        amount = f"{100 * gap:.2g} points" if self.percent else f"{gap:.3g}"
        return f"{word} by {amount}"

    def written(self, value: float) -> str:
        """A value of this gate, to be read."""
        if self.percent:
            return f"{100 * value:.2f} %"
        return f"{value:g}"


@dataclass(frozen=True)
class Curve:
    """A series, thinned where it is long: `values` lie evenly over `length` steps or epochs.

    first  the number of the first of them: 1, unless a run went on and what was before is not known
    """

    name: str
    values: list[float]
    length: int
    axis: str = "step"
    log: bool = False
    first: int = 1


@dataclass
class Result:
    """The record of one run. `passed` is what decides the exit status.

    machine         processor, cores and threads, in words
    commit          of tinytorch-core, where it is known
    seconds         of the whole run, without what was lost where it stopped
    seconds_before  those of earlier parts, up to the checkpoint from which this one went on
    """

    milestone: str
    title: str
    command: str
    recipe: str
    settings: dict[str, Any]
    seed: int
    modules: dict[str, str]
    versions: dict[str, str]
    machine: str = ""
    commit: str | None = None
    data: dict[str, Any] = field(default_factory=dict)
    numbers: dict[str, Any] = field(default_factory=dict)
    gates: list[Gate] = field(default_factory=list)
    curves: list[Curve] = field(default_factory=list)
    seconds: float = 0.0
    seconds_before: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether there were gates, and each was passed; goals do not count."""
        gates = [gate for gate in self.gates if not gate.goal]
        return bool(gates) and all(gate.passed for gate in gates)

    def record(self) -> dict[str, Any]:
        """Everything, as JSON can hold it."""
        content = asdict(self)
        gates = content.pop("gates")
        for entry, gate in zip(gates, self.gates, strict=True):
            entry["passed"] = gate.passed
        for kind, is_goal in (("gates", False), ("goals", True)):
            content[kind] = [entry for entry in gates if entry["goal"] is is_goal]
        record: dict[str, Any] = _finite({"passed": self.passed, **content})
        return record

    def save(self, folder: AnyPath) -> Path:
        """Write the record to `result.json` in `folder`, which is made, and return its path."""
        path = Path(folder) / "result.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, json.dumps(self.record(), indent=2) + "\n")
        return path


def _finite(value: Any) -> Any:
    """The same with None for what JSON has no word for: infinity, and no number."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def thinned(values: Sequence[float], most: int = 200) -> list[float]:
    """A long series as the means of at most `most` equal stretches of it."""
    if len(values) <= most:
        return [float(value) for value in values]
    edges = [len(values) * i // most for i in range(most + 1)]
    return [sum(values[begin:end]) / (end - begin) for begin, end in pairwise(edges)]
