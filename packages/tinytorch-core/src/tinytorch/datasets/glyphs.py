"""The ten digits as strokes: what a pen does, before any hand shakes.

A glyph is a tuple of strokes, a stroke a tuple of control points (x, y) with x to the right and y
down, in a box about 1 wide and 2 high around (0, 0). `curve` strokes are smooth through their
points, `line` strokes have corners. Each digit has two or three forms. Left out: bending, thickness
and pixels (drawn.py).
"""

from __future__ import annotations

from dataclasses import dataclass

Point = tuple[float, float]


@dataclass(frozen=True)
class Stroke:
    """One movement of the pen, smooth or with corners."""

    points: tuple[Point, ...]
    smooth: bool


def curve(*points: Point) -> Stroke:
    """A stroke that is smooth through its points."""
    return Stroke(points, smooth=True)


def line(*points: Point) -> Stroke:
    """A stroke with a corner at each point."""
    return Stroke(points, smooth=False)


Glyph = tuple[Stroke, ...]

ZERO = (
    (
        curve(
            (0.05, -1.0), (-0.4, -0.6), (-0.5, 0.1), (-0.25, 0.85),
            (0.2, 0.9), (0.5, 0.2), (0.4, -0.6), (0.05, -1.0),
        ),
    ),
    (
        curve(
            (0.3, -0.8), (-0.15, -0.95), (-0.55, -0.3), (-0.45, 0.6),
            (0.05, 0.95), (0.5, 0.5), (0.5, -0.3), (0.1, -1.0),
        ),
    ),
)  # fmt: skip
ONE = (
    (line((0.05, -1.0), (0.0, 1.0)),),
    (line((-0.35, -0.6), (0.05, -1.0), (0.05, 1.0)),),
    (line((-0.3, -0.65), (0.05, -1.0), (0.05, 0.95)), line((-0.35, 0.95), (0.45, 0.95))),
)
TWO = (
    (
        curve((-0.5, -0.5), (-0.25, -0.9), (0.3, -0.9), (0.45, -0.4), (0.1, 0.2), (-0.5, 0.9)),
        line((-0.5, 0.9), (0.55, 0.9)),
    ),
    (
        curve(
            (-0.45, -0.65), (0.0, -1.0), (0.45, -0.6), (0.2, 0.1), (-0.3, 0.85),
            (-0.5, 0.65), (-0.2, 0.55), (0.15, 0.85), (0.6, 0.8),
        ),
    ),
)  # fmt: skip
THREE = (
    (
        curve((-0.45, -0.75), (0.0, -1.0), (0.4, -0.6), (-0.1, -0.08)),
        curve((-0.1, -0.08), (0.45, 0.15), (0.4, 0.75), (-0.05, 0.98), (-0.5, 0.7)),
    ),
    (
        line((-0.45, -0.95), (0.4, -0.95), (-0.05, -0.2)),
        curve((-0.05, -0.2), (0.45, 0.1), (0.4, 0.7), (-0.05, 0.98), (-0.5, 0.75)),
    ),
)
FOUR = (
    (line((-0.35, -0.95), (-0.5, 0.15), (0.5, 0.15)), line((0.3, -0.65), (0.25, 1.0))),
    (line((0.25, 1.0), (0.25, -1.0), (-0.55, 0.3), (0.6, 0.3)),),
    (curve((-0.4, -0.9), (-0.45, -0.1), (0.0, 0.15), (0.4, -0.1)), line((0.4, -0.9), (0.3, 1.0))),
)
FIVE = (
    (
        line((0.45, -0.95), (-0.35, -0.95), (-0.42, -0.15)),
        curve((-0.42, -0.15), (0.1, -0.35), (0.5, 0.15), (0.25, 0.85), (-0.5, 0.8)),
    ),
    (
        curve((-0.3, -0.9), (-0.38, -0.2), (0.2, -0.2), (0.45, 0.35), (0.1, 0.95), (-0.45, 0.75)),
        line((-0.3, -0.92), (0.5, -0.95)),
    ),
)
SIX = (
    (
        curve(
            (0.4, -0.9), (-0.1, -0.6), (-0.45, 0.1), (-0.3, 0.85), (0.2, 0.95),
            (0.45, 0.45), (0.1, 0.05), (-0.4, 0.4),
        ),
    ),
    (
        curve(
            (0.1, -1.0), (-0.3, -0.3), (-0.4, 0.5), (0.0, 0.98),
            (0.4, 0.65), (0.25, 0.2), (-0.1, 0.2), (-0.38, 0.6),
        ),
    ),
)  # fmt: skip
SEVEN = (
    (line((-0.5, -0.9), (0.5, -0.9), (-0.1, 1.0)),),
    (line((-0.5, -0.9), (0.5, -0.9), (-0.1, 1.0)), line((-0.3, 0.05), (0.45, 0.05))),
    (curve((-0.5, -0.7), (-0.1, -0.95), (0.45, -0.85), (0.15, -0.1), (-0.1, 1.0)),),
)
EIGHT = (
    (
        curve(
            (0.35, -0.75), (0.0, -1.0), (-0.4, -0.6), (0.0, -0.1), (0.45, 0.45), (0.0, 0.97),
            (-0.45, 0.5), (0.0, -0.05), (0.4, -0.55), (0.2, -0.95),
        ),
    ),
    (
        curve((0.0, -0.05), (-0.38, -0.5), (0.0, -1.0), (0.38, -0.5), (0.0, -0.05)),
        curve((0.0, -0.05), (-0.48, 0.45), (0.0, 0.98), (0.48, 0.45), (0.0, -0.05)),
    ),
)  # fmt: skip
NINE = (
    (
        curve((0.4, -0.55), (0.05, -0.98), (-0.42, -0.6), (-0.1, -0.1), (0.4, -0.5)),
        line((0.42, -0.6), (0.3, 1.0)),
    ),
    (
        curve(
            (0.38, -0.5), (0.0, -0.05), (-0.42, -0.5), (0.0, -0.98), (0.4, -0.55),
            (0.35, 0.3), (0.0, 0.95), (-0.4, 0.8),
        ),
    ),
)  # fmt: skip

DIGITS: tuple[tuple[Glyph, ...], ...] = (
    ZERO, ONE, TWO, THREE, FOUR, FIVE, SIX, SEVEN, EIGHT, NINE,
)  # fmt: skip
