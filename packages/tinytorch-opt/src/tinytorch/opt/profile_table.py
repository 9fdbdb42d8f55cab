"""A profile as text: columns as PyTorch's profiler prints them, and below what they add up to.

GFLOP/s is a rate of all arithmetic, FLOPs (in products) and Other, as the roofline's op/s: a ReLU
has no FLOPs and a rate all the same. The text below the table says so.

Peak is what calls made and somebody held at once: results, and in training what records keep for
the way back. It is the `activations` of `budgets.plan` where gradients are off, but for the input:
37.6 kB for LeNet-5 and one image. `tito bench` and `tinytorch.measure` show more, because
`tracemalloc` also sees Python's objects and what a kernel takes for itself while it runs.

Left out: what is in the rows (`profile_rows.py`).
"""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from tinytorch.core.measurement import in_bytes, in_seconds
from tinytorch.opt.profile_rows import Row, rows, total

if TYPE_CHECKING:
    from tinytorch.opt.profiling import Profiler

UNKNOWN = "-"
LESS_MISSED = "Other", "GB/s", "Made", "Bytes", "Peak", "Self %"  # first where a terminal is narrow


def in_count(count: float) -> str:
    """A number of operations in few characters: 833k, 25M, 1.2G.

    >>> in_count(833_040), in_count(12), in_count(2.5e10)
    ('833k', '12', '25G')
    """
    for size, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= size:
            return f"{count / size:.3g}{unit}"
    return f"{count:.3g}"


def cells(row: Row, whole: int) -> dict[str, str]:
    """The texts of one row by their headers; `whole` is the time of all."""
    more = ">" if row.unknown else ""  # of some calls the cost is not known
    costs = {
        "FLOPs": more + in_count(row.flops),
        "Other": more + in_count(row.other),
        "Bytes": more + bytes_of(row.bytes),
        "GFLOP/s": f"{row.operations_per_second / 1e9:.3g}",
        "GB/s": f"{row.bytes_per_second / 1e9:.3g}",
    }
    return {
        "Self %": f"{100 * row.self_time / whole:.1f}%" if whole else UNKNOWN,
        "Self": time_of(row.self_time),
        "Total": time_of(row.total),
        "Forward": time_of(row.forward),
        "Backward": time_of(row.backward),
        "Calls": str(row.calls + row.rules),
        **(costs if row.known else dict.fromkeys(costs, UNKNOWN)),
        "Made": bytes_of(row.made),
        "Peak": bytes_of(row.peak),
    }


def time_of(nanoseconds: int) -> str:
    """A time, or nothing where none was spent."""
    return in_seconds(nanoseconds / 1e9) if nanoseconds else UNKNOWN


def bytes_of(count: int) -> str:
    """Bytes in few characters."""
    return in_bytes(count).replace(" bytes", " B")


def titled(profile: Profiler, row: Row) -> str:
    """The name of a row, with the class of a layer that is not named after it."""
    kind = profile.layers.kinds.get(row.name, row.name)
    return row.name if row.name.partition("#")[0].endswith(kind) else f"{row.name} ({kind})"


def grid(
    profile: Profiler, by: str, sort: str | None, limit: int | None, width: int = 10_000
) -> list[list[str]]:
    """Headers and rows as texts. Layers in order stand indented below the one around them.

    width  columns of characters that there are; what is missed least is left out for them
    """
    found = rows(profile.events, by, sort)
    whole = sum(call.self_time for call in profile.events)
    indented = by == "layer" and sort in (None, "order")
    names = ["  " * (row.depth if indented else 0) + titled(profile, row) for row in found]
    filled = [{"Name": name} | cells(row, whole) for name, row in zip(names, found, strict=True)]
    filled = filled[:limit]
    headers = list(filled[0]) if filled else ["Name"]
    hidden = ["Total"] if by == "primitive" else []  # of a primitive that is Self
    if not any(row.backward for row in found):
        hidden += ["Forward", "Backward"]
    headers = [header for header in headers if header not in hidden]
    for header in LESS_MISSED:
        room = sum(2 + max(len(row[h]) for row in [*filled, {h: h}]) for h in headers)
        if room - 2 > width and header in headers:
            headers.remove(header)
    return [headers, *([row[header] for header in headers] for row in filled)]


def table(
    profile: Profiler, by: str = "primitive", sort: str | None = None, limit: int | None = None
) -> str:
    """The whole table, and `summary` below it."""
    texts = grid(profile, by, sort, limit)
    widths = [max(len(row[column]) for row in texts) for column in range(len(texts[0]))]
    rule = "  ".join("-" * width for width in widths)
    first, *others = [
        "  ".join(
            text.ljust(width) if column == 0 else text.rjust(width)
            for column, (text, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in texts
    ]
    below = [
        textwrap.fill(line, max(len(rule), 72), subsequent_indent="  ") for line in summary(profile)
    ]
    return "\n".join([rule, first, rule, *others, rule, *below])


def summary(profile: Profiler) -> list[str]:
    """Time, memory and operations of all, in sentences."""
    all_ = total(profile.events)
    events = all_.calls + all_.rules
    if not events:
        return ["Nothing was heard: no primitive was called within the block, in its thread."]
    apart = max(profile.time - all_.total, 0)
    lines = [
        f"Time: {time_of(profile.time)} in the block; {time_of(all_.total)} in primitives "
        f"(forward {time_of(all_.forward)}, backward {time_of(all_.backward)}) and "
        f"{time_of(apart)} outside, of which {time_of(profile.own_time)} in this profiler "
        f"itself: {events} events, {time_of(profile.own_time // events)} each.",
        f"Memory: calls held {in_bytes(profile.memory.peak)} at the peak, beside "
        f"{in_bytes(profile.memory.given_peak)} that they were given (weights, inputs). Made: "
        "bytes of new results; Peak: the most alive after one of a row's calls.",
    ]
    if all_.known:
        some = " at least" if all_.unknown else ""
        lines.append(
            f"Operations: {in_count(all_.flops)} FLOPs{some} in products (2 for each multiply-add) "
            f"and {in_count(all_.other)} others; {all_.operations_per_second / 1e9:.3g} GFLOP/s "
            f"and {all_.bytes_per_second / 1e9:.3g} GB/s while in primitives. GFLOP/s counts FLOPs "
            "and Other."
        )
    if all_.unknown:
        lines.append(
            f"{all_.unknown} events are of primitives whose cost nobody stated "
            '(tinytorch.opt.costs: @cost("name")): they are shown as -.'
        )
    return lines
