"""Which of several models are worth having: the Pareto front, and who beats each of the others.

    front = pareto({"float": {"accuracy": 0.99, "bytes": 246_824, "seconds": 2.1e-4}, ...},
                   better={"accuracy": "higher", "bytes": "lower", "seconds": "lower"})
    front.front                        # the names that nothing beats
    print(front.table())               # all of them, and which beats which
    front.plot("bytes", "accuracy")    # a matplotlib figure

One model dominates another that is nowhere better and somewhere worse. Left out: which point of the
front to take; that depends on what an error costs and what a second costs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Point = Mapping[str, float]
SIGNS = {"higher": 1.0, "lower": -1.0}


@dataclass(frozen=True)
class Pareto:
    """What `pareto` found. `dominated` says, for each that is left out, who on the front beats it.

    points  name -> measure -> value
    better  measure -> "higher" or "lower"
    """

    points: dict[str, dict[str, float]]
    better: dict[str, str]
    front: tuple[str, ...]
    dominated: dict[str, tuple[str, ...]]

    def table(self) -> str:
        """Names, values, and what is beaten by what, as text."""
        arrows = {"higher": "(more is better)", "lower": "(less is better)"}
        rows = [["model", *self.better, ""]]
        rows += [
            [name, *(f"{point[measure]:.6g}" for measure in self.better), self._said_of(name)]
            for name, point in self.points.items()
        ]
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        lines = [
            "  ".join(
                text.ljust(width) if i in (0, len(widths) - 1) else text.rjust(width)
                for i, (text, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in rows
        ]
        wanted = ", ".join(f"{measure} {arrows[way]}" for measure, way in self.better.items())
        return "\n".join([*lines, wanted])

    def plot(self, x: str, y: str) -> Figure:
        """Draw two of the measures: the front as a line of steps, what is beaten as grey crosses.

        A point may be on the front for a third measure and look beaten here: its ring is open.
        Needs matplotlib: `pip install "tinytorch-opt[plots]"`. `figure.savefig(path)` writes it.
        """
        for measure in (x, y):
            if measure not in self.better:
                raise KeyError(
                    f"no measure is called {measure!r}; there are {', '.join(self.better)}"
                )
        from matplotlib.figure import Figure

        two = pareto(self.points, {measure: self.better[measure] for measure in (x, y)})
        figure = Figure(figsize=(7, 4.5), layout="constrained")
        axes = figure.add_subplot()
        line = sorted((self.points[name][x], self.points[name][y]) for name in two.front)
        # left of the next point, a point to the right offers what it has: steps go by the better x
        where: Any = "post" if self.better[x] == "lower" else "pre"
        axes.step(*zip(*line, strict=True), where=where, color="tab:blue", linewidth=1)
        for name, point in self.points.items():
            here = point[x], point[y]
            if name in self.dominated:
                axes.plot(*here, "x", color="gray")
            else:
                filled = "tab:blue" if name in two.front else "none"
                axes.plot(*here, "o", color="tab:blue", markerfacecolor=filled)
            axes.annotate(name, here, xytext=(5, 5), textcoords="offset points", fontsize=8)
        axes.set_xlabel(f"{x} ({self.better[x]} is better)")
        axes.set_ylabel(f"{y} ({self.better[y]} is better)")
        axes.margins(0.12)
        axes.grid(alpha=0.3)
        return figure

    def _said_of(self, name: str) -> str:
        if name in self.front:
            return "on the front"
        return f"beaten by {', '.join(self.dominated[name])}"


def dominates(a: Point, b: Point, better: Mapping[str, str]) -> bool:
    """Whether `a` is nowhere worse than `b`, and somewhere better.

    >>> dominates({"s": 1, "acc": 0.9}, {"s": 2, "acc": 0.9}, {"s": "lower", "acc": "higher"})
    True
    """
    gains = [SIGNS[way] * (a[measure] - b[measure]) for measure, way in better.items()]
    return min(gains) >= 0 and max(gains) > 0


def pareto(points: Mapping[str, Point], better: Mapping[str, str]) -> Pareto:
    """Find the front of `points`, name -> measure -> value.

    better  which measures count, each with "higher" or "lower"; others are left aside

    Of equal points all are on the front, or none. Measures carry noise: a difference smaller than
    their intervals is none, so round before, or look at `compare`.

    Raises ValueError where there is nothing to compare, or a value is not a number.
    """
    if not points or not better or not set(better.values()) <= set(SIGNS):
        raise ValueError(
            f"pareto: {len(points)} points, better={dict(better)}: at least one point, and one "
            'measure with "higher" or "lower"'
        )
    for name, point in points.items():
        for measure in better:
            if not math.isfinite(point.get(measure, math.nan)):
                raise ValueError(f"pareto: {name} has no number for {measure!r}: {dict(point)}")
    beaten = {
        name: tuple(other for other in points if dominates(points[other], points[name], better))
        for name in points
    }
    front = tuple(name for name in points if not beaten[name])
    return Pareto(
        {name: dict(point) for name, point in points.items()},
        dict(better),
        front,
        {name: tuple(n for n in by if n in front) for name, by in beaten.items() if by},
    )
