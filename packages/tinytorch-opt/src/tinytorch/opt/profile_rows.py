"""What a profiler heard, summed up: a row for each primitive or each layer.

Left out: how rows are shown (`profile_table.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from tinytorch.opt.profiling import Call

OUTSIDE = "(no layer)"


@dataclass
class Row:
    """Several calls together. Times are in nanoseconds; `total` includes the layers inside.

    For a layer, everything but `self_time` includes the layers inside.
    """

    name: str
    self_time: int = 0
    total: int = 0
    forward: int = 0
    backward: int = 0
    calls: int = 0  # of primitives, forward
    rules: int = 0  # gradient rules
    flops: int = 0
    other: int = 0
    bytes: int = 0
    unknown: int = 0  # calls and rules of which nobody knows the cost
    made: int = 0  # bytes left behind
    peak: int = 0  # bytes alive after one of its calls, at most
    depth: int = field(default=0, repr=False)  # of a layer: how many are around it

    def add(self, call: Call, *, own: bool = True) -> None:
        """Take one call in. `own`: it is this row's itself, not that of a layer inside."""
        if own:
            self.self_time += call.self_time
        self.total += call.self_time
        if call.kind == "forward":
            self.forward += call.self_time
            self.calls += 1
        else:
            self.backward += call.self_time
            self.rules += 1
        if call.cost is None:
            self.unknown += 1
        else:
            self.flops += call.cost.flops
            self.other += call.cost.other
            self.bytes += call.cost.bytes
        self.made += call.made
        self.peak = max(self.peak, call.live)

    @property
    def known(self) -> bool:
        """Whether the cost of any of it is known."""
        return self.unknown < self.calls + self.rules

    @property
    def operations(self) -> int:
        """All arithmetic together."""
        return self.flops + self.other

    @property
    def operations_per_second(self) -> float:
        return self.operations / self.total * 1e9 if self.total else 0.0

    @property
    def bytes_per_second(self) -> float:
        return self.bytes / self.total * 1e9 if self.total else 0.0


SORTS: dict[str, Callable[[Row], float]] = {
    "time": lambda row: -row.self_time,
    "total": lambda row: -row.total,
    "calls": lambda row: -(row.calls + row.rules),
    "flops": lambda row: -row.flops,
    "bytes": lambda row: -row.bytes,
    "memory": lambda row: -row.made,
}


def rows(events: Iterable[Call], by: str = "primitive", sort: str | None = None) -> list[Row]:
    """Sum events up. Raises ValueError for another `by` or `sort`.

    by    "primitive" or "layer"
    sort  one of `SORTS`, "name", or "order" of appearance; by default "time" for primitives and
          "order" for layers, where each stands below the one around it
    """
    if by not in ("primitive", "layer"):
        raise ValueError(f'by is "primitive" or "layer", not {by!r}')
    sort = sort or ("time" if by == "primitive" else "order")
    if sort not in (*SORTS, "name", "order"):
        raise ValueError(f"sort is one of {', '.join([*SORTS, 'name', 'order'])}, not {sort!r}")
    made = _by_primitive(events) if by == "primitive" else _by_layer(events)
    if sort == "name":
        made.sort(key=lambda row: row.name)
    elif sort in SORTS:
        made.sort(key=SORTS[sort])  # stable: of equals the first stays first
    return made


def total(events: Iterable[Call]) -> Row:
    """All events in one row."""
    row = Row("total")
    for call in events:
        row.add(call)
    return row


def _by_primitive(events: Iterable[Call]) -> list[Row]:
    found: dict[str, Row] = {}
    for call in events:
        found.setdefault(call.name, Row(call.name)).add(call)
    return list(found.values())


def _by_layer(events: Iterable[Call]) -> list[Row]:
    found: dict[str, Row] = {}
    inside: dict[str, list[str]] = {"": []}  # of each layer those directly in it, in order
    for call in events:
        around = ""
        path = call.layers or (OUTSIDE,)
        for depth, name in enumerate(path):
            if name not in found:
                found[name] = Row(name, depth=depth)
                inside[name] = []
                inside[around].append(name)
            around = name
        last = path[-1]
        for name in dict.fromkeys(path):  # a layer that calls itself counts once
            found[name].add(call, own=name == last)
    ordered: list[Row] = []
    waiting = list(reversed(inside[""]))
    while waiting:
        name = waiting.pop()
        ordered.append(found[name])
        waiting.extend(reversed(inside[name]))
    return ordered
