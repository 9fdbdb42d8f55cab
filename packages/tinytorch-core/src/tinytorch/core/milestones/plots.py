"""Plots: learning curves and points in the plane as text, and curves as a PNG with matplotlib.

Left out: colours, and axes of any refinement. Matplotlib is the extra `plots`; without it there is
the text.
"""

from __future__ import annotations

import io
import math
import textwrap
from collections.abc import Sequence
from pathlib import Path

from tinytorch.core.files import write_atomically
from tinytorch.core.milestones.result import Curve, thinned

HEIGHT = 8  # rows of a text plot


def curve(values: Sequence[float], width: int, *, log: bool = False, first: int = 1) -> list[str]:
    """A series as rows of text, `width` columns in all: the value upwards, its place to the right.

    log    a logarithmic axis, for a loss that falls by orders of magnitude
    first  the place of the first value

    >>> print("\\n".join(curve([8, 4, 2, 1, 1, 1, 1, 1], 18, log=True)))
           8 ┤•
             │
             │ •
             │
             │
             │  •
             │
           1 ┤   •••••
             └────────
              1      8
    """
    finite = [value for value in values if math.isfinite(value) and (value > 0 or not log)]
    if not finite:
        return ["(no finite value to plot)"]
    margin = 10  # columns for the labels and the axis: "9.3e-302 ┤"
    points = thinned(finite, max(1, width - margin))
    low, high = min(points), max(points)
    span = _scale(high, log) - _scale(low, log) or 1.0
    rows = [[" "] * len(points) for _ in range(HEIGHT)]
    for column, value in enumerate(points):
        share = (_scale(value, log) - _scale(low, log)) / span
        rows[HEIGHT - 1 - round(share * (HEIGHT - 1))][column] = "•"
    labels = {0: f"{high:.2g}", HEIGHT - 1: f"{low:.2g}"}
    lines = [
        f"{labels.get(i, ''):>{margin - 2}} {'┤' if i in labels else '│'}" + "".join(row).rstrip()
        for i, row in enumerate(rows)
    ]
    begin, end = f"{first:,}", f"{first + len(values) - 1:,}"
    room = len(points) - len(begin)
    return [
        *lines,
        " " * (margin - 1) + "└" + "─" * len(points),
        " " * margin + begin + end.rjust(room) if room >= len(end) else "",
    ]


def plane(
    points: Sequence[tuple[float, float, str]],
    line: tuple[float, float, float] | None = None,
    *,
    columns: int = 36,
    rows: int = 14,
) -> list[str]:
    """Points (x, y, mark) as rows of text, and the line a x + b y + c = 0 through them as dots."""
    left, right = min(x for x, _, _ in points), max(x for x, _, _ in points)
    low, high = min(y for _, y, _ in points), max(y for _, y, _ in points)
    across, up = (right - left or 1) / (columns - 1), (high - low or 1) / (rows - 1)
    grid = [[" "] * columns for _ in range(rows)]
    if line is not None:
        a, b, c = line
        for i in range(rows):
            for j in range(columns):
                value = a * (left + j * across) + b * (high - i * up) + c
                if abs(value) <= max(abs(a) * across, abs(b) * up) / 2:
                    grid[i][j] = "·"
    for x, y, mark in points:
        grid[round((high - y) / up)][round((x - left) / across)] = mark
    return ["".join(row).rstrip() for row in grid]


def save_png(path: Path, title: str, curves: Sequence[Curve]) -> Path | None:
    """Draw each curve above the other into `path`; None where matplotlib is not installed."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
        from matplotlib.ticker import MaxNLocator
    except ImportError:
        return None
    figure = Figure(figsize=(6, 1 + 2 * len(curves)), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(textwrap.fill(title, 56))  # characters that fit in the width
    for place, curve in enumerate(curves, start=1):
        axes = figure.add_subplot(len(curves), 1, place)
        stretch = curve.length / len(curve.values)  # what each value is the mean of
        before = curve.first - 0.5
        middles = [before + (i + 0.5) * stretch for i in range(len(curve.values))]
        axes.plot(middles, curve.values, marker="." if len(curve.values) < 30 else None)
        axes.set_xlabel(curve.axis)
        axes.set_ylabel(textwrap.fill(curve.name, 28))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))  # there is no half an epoch
        if len(middles) == 1:
            axes.set_xlim(middles[0] - 1, middles[0] + 1)
        if curve.log:
            axes.set_yscale("log", nonpositive="mask")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=120)
    write_atomically(path, buffer.getvalue())
    return path


def _scale(value: float, log: bool) -> float:
    return math.log(value) if log else value
