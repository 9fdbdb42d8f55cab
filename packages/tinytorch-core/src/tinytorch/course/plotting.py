"""Draws the plots of a lesson: curves of measured points, as SVG for a page and as text.

Axes are linear, or logarithmic where the points span two orders of magnitude or more. Left out:
measuring (`demonstrations.py`), and learning curves, which `core/milestones/plots.py` draws.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from textwrap import wrap

Points = Sequence[Sequence[float]]  # (x, y) pairs
MARKS = "*o+x#@"
COLOURS = ("#3b82c4", "#d9822b", "#3f9e5b", "#b8559a", "#8a6fd1", "#7d7d7d")  # on light and dark


@dataclass(frozen=True)
class Axis:
    """One axis: from a value to its place between 0 and 1."""

    low: float
    high: float
    logarithmic: bool

    @classmethod
    def over(cls, values: Sequence[float]) -> Axis:
        low, high = min(values), max(values)
        logarithmic = low > 0 and high / low >= 100
        if not logarithmic and low > 0 and low < 0.5 * high:
            low = 0.0
        return cls(low, high if high > low else low + 1, logarithmic)

    def place(self, value: float) -> float:
        if self.logarithmic:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def ticks(self) -> list[float]:
        """Some round values along the axis."""
        if self.logarithmic:
            first, last = math.ceil(math.log10(self.low)), math.floor(math.log10(self.high))
            step = max(1, (last - first) // 5)
            return [10.0**power for power in range(first, last + 1, step)]
        span = (self.high - self.low) / 5
        unit = 10.0 ** math.floor(math.log10(span))
        step_size = min((unit * k for k in (1, 2, 5, 10)), key=lambda size: abs(size - span))
        first = math.ceil(self.low / step_size - 1e-9)
        last = math.floor(self.high / step_size + 1e-9)
        return [step_size * i for i in range(first, last + 1)]


def as_text(
    curves: Mapping[str, Points], x_label: str, y_label: str, width: int, height: int = 12
) -> list[str]:
    """The curves as rows of text, `width` columns in all."""
    x, y = _axes(curves)
    margin = 9
    columns = max(width - margin - 1, 10)
    grid = [[" "] * columns for _ in range(height)]
    for mark, points in zip(MARKS, curves.values(), strict=False):
        for px, py in points:
            row = height - 1 - round(y.place(py) * (height - 1))
            grid[row][round(x.place(px) * (columns - 1))] = mark
    labels = {0: _short(y.high), height - 1: _short(y.low)}
    lines = wrap(y_label, width)
    for i, cells in enumerate(grid):
        joint = "┤" if i in labels else "│"
        lines.append(f"{labels.get(i, ''):>{margin - 1}} {joint}{''.join(cells)}".rstrip())
    lines.append(" " * margin + "└" + "─" * columns)
    left, right = _short(x.low), _short(x.high)
    between = columns - len(left) - len(right)
    beside = len(x_label) + 4 <= between  # with two spaces on either side; else in rows of its own
    middle = (x_label if beside else "").center(max(between, 1))
    lines.append(" " * (margin + 1) + left + middle + right)
    if x_label and not beside:
        indent = " " * (margin + 1)
        lines += [indent + row.center(columns).rstrip() for row in wrap(x_label, columns)]
    if len(curves) > 1:
        legend = "   ".join(f"{m} {label}" for m, label in zip(MARKS, curves, strict=False))
        lines += ["", " " * (margin + 1) + legend]
    return lines


def as_svg(curves: Mapping[str, Points], title: str, x_label: str, y_label: str) -> str:
    """The curves as an SVG picture whose text has the colour of the page's."""
    x, y = _axes(curves)
    left, top, right, bottom = 64.0, 14.0, 620.0, 250.0

    def at(px: float, py: float) -> tuple[float, float]:
        return left + x.place(px) * (right - left), bottom - y.place(py) * (bottom - top)

    parts = [
        f'<svg viewBox="0 0 640 310" role="img" aria-label="{escape(title)}" class="plot" '
        'xmlns="http://www.w3.org/2000/svg" font-size="12" fill="currentColor">'
    ]
    for tick in y.ticks():
        _, height = at(x.low, tick)
        parts.append(
            f'<path d="M{left} {height:.1f}H{right}" stroke="currentColor" stroke-opacity=".15"/>'
            f'<text x="{left - 8}" y="{height + 4:.1f}" text-anchor="end">{_short(tick)}</text>'
        )
    for tick in x.ticks():
        across, _ = at(tick, y.low)
        parts.append(
            f'<path d="M{across:.1f} {bottom}v4" stroke="currentColor"/>'
            f'<text x="{across:.1f}" y="{bottom + 18}" text-anchor="middle">{_short(tick)}</text>'
        )
    parts.append(
        f'<path d="M{left} {top}V{bottom}H{right}" fill="none" stroke="currentColor"/>'
        f'<text x="{(left + right) / 2}" y="{bottom + 36}" text-anchor="middle">'
        f"{escape(x_label)}</text>"
        f'<text x="14" y="{(top + bottom) / 2}" text-anchor="middle" '
        f'transform="rotate(-90 14 {(top + bottom) / 2})">{escape(y_label)}</text>'
    )
    for i, (label, points) in enumerate(curves.items()):
        colour = COLOURS[i % len(COLOURS)]
        places = [at(px, py) for px, py in points]
        line = " ".join(f"{px:.1f},{py:.1f}" for px, py in places)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{a:.1f}" cy="{b:.1f}" r="3" fill="{colour}"/>' for a, b in places]
        if len(curves) > 1:
            across = left + 10 + i * (right - left) / len(curves)
            parts.append(
                f'<circle cx="{across:.1f}" cy="300" r="4" fill="{colour}"/>'
                f'<text x="{across + 9:.1f}" y="304">{escape(label)}</text>'
            )
    return "".join([*parts, "</svg>"])


def _axes(curves: Mapping[str, Points]) -> tuple[Axis, Axis]:
    points = [point for curve in curves.values() for point in curve]
    return Axis.over([x for x, _ in points]), Axis.over([y for _, y in points])


def _short(value: float) -> str:
    """A number in few characters: 0.25, 40, 2k, 3M, 1e-05."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:.3g}"
