"""The ladder: the forms of a computation run, proven equal, timed, and held against the roofline.

    rungs = ladder(BIAS_GELU, x, bias, roof=measure_machine())
    print(table(rungs))
    gate(rungs)  # the last form must be ten times as fast as the first

Left out: the forms themselves (`acceleration.py`), and the roofline (`roofline.py`).
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from time import perf_counter
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from tinytorch.core.measurement import in_bytes, in_seconds, measure
from tinytorch.core.primitive import Array

if TYPE_CHECKING:
    from tinytorch.opt.acceleration import Form

SLOW = 0.3  # seconds: no need to run again what takes so long


class Roof(Protocol):
    """What is asked of a roofline: `tinytorch.opt.roofline.measure_machine()` gives one."""

    def attainable(self, intensity: float, /) -> float:
        """FLOP/s that the machine can reach at so many FLOPs for each byte from memory."""


@dataclass(frozen=True)
class Rung:
    """What a form was found to do.

    seconds     the median time of a run
    quartiles   a quarter of the runs took less than the first, a quarter more than the second;
                None for a form that ran once. It is a spread within this ladder, no interval
    speedup     how many times faster than the first form
    flops       of the computation; `rate` is them per second
    bytes       moved between memory and processor
    attainable  FLOP/s, at most, on this machine for a form that moves so many bytes; None where
                no roofline was given. `share` is the part of it that was reached
    """

    form: str
    seconds: float
    speedup: float
    flops: int
    bytes: int
    attainable: float | None = None
    quartiles: tuple[float, float] | None = None

    @property
    def rate(self) -> float:
        """FLOP/s."""
        return self.flops / self.seconds

    @property
    def share(self) -> float | None:
        """The part of the attainable that was reached; above 1 where a cache served for memory.

        `bytes` are counted as if all came from memory, and the roof is that of memory.
        """
        return None if self.attainable is None else self.rate / self.attainable


def ladder(
    forms: Sequence[Form], *arrays: Any, roof: Roof | None = None, rtol: float = 1e-4
) -> list[Rung]:
    """Run all forms on the same arrays; return what each was found to do, in order.

    roof  the roofline of this machine: `tinytorch.opt.roofline.measure_machine()`
    rtol  how far results may be from the first form's, relative to its largest element

    A form that takes SLOW or more runs once, the others often (`tinytorch.measure`). Raises
    ArithmeticError for a form that computes something else: then its time means nothing.
    """
    rungs: list[Rung] = []
    expected: Array | None = None
    for form in forms:
        start = perf_counter()
        result = np.asarray(form.run(*arrays))
        seconds, quartiles = perf_counter() - start, None
        if seconds < SLOW:
            found = measure(form.run, *arrays, warm_up=0)
            seconds, quartiles = found.median, (found.low, found.high)
        expected = result if expected is None else expected
        far = float(np.abs(result - expected).max(initial=0))
        largest = float(np.abs(expected).max(initial=0))
        if not far <= rtol * largest:
            raise ArithmeticError(
                f"{form.name} is up to {far:.3g} away from {forms[0].name}, whose largest element "
                f"is {largest:.3g}: it computes something else"
            )
        flops, moved = form.flops(*arrays), form.bytes(*arrays)
        first = rungs[0].seconds if rungs else seconds
        attainable = None if roof is None else roof.attainable(flops / moved)
        speedup = first / seconds
        rungs.append(Rung(form.name, seconds, speedup, flops, moved, attainable, quartiles))
    return rungs


def table(rungs: Sequence[Rung]) -> str:
    """The rungs as a table: time, its middle half, speedup over the first, rate, bytes, of roof.

    Below it: which neighbours the times do not tell apart, and which forms a cache served.
    """
    lines = [
        f"{'form':<12}{'time':>9}{'middle half':>20}{'speedup':>10}{'GFLOP/s':>9}{'moved':>10}"
        f"{'of roof':>9}"
    ]
    for rung in rungs:
        share = "" if rung.share is None else f"{rung.share:.1%}"
        spread = "one run"
        if rung.quartiles is not None:
            spread = " to ".join(in_seconds(bound) for bound in rung.quartiles)
        lines.append(
            f"{rung.form:<12}{in_seconds(rung.seconds):>9}{spread:>20}{rung.speedup:>9.1f}x"
            f"{rung.rate / 1e9:>9.3g}{in_bytes(rung.bytes):>10}{share:>9}"
        )
    below = []
    if alike := [f"{a.form} and {b.form}" for a, b in pairwise(rungs) if _overlap(a, b)]:
        below.append(
            f"Not told apart, their middle halves overlap: {', '.join(alike)}. compare(old, new), "
            "module 19, looks closer."
        )
    if any(rung.share is not None for rung in rungs):
        above = [rung.form for rung in rungs if rung.share is not None and rung.share > 1]
        below.append(
            "Of roof: the roof is that of main memory; data that a cache holds may exceed it"
            + (f", as those of {', '.join(above)} did." if above else ".")
        )
    lines += [textwrap.fill(line, len(lines[0]), subsequent_indent="  ") for line in below]
    return "\n".join(lines)


def gate(
    rungs: Sequence[Rung], least: float = 10.0, *, form: str | None = None, over: str | None = None
) -> Rung:
    """Return the rung that was asked about. Raises ArithmeticError unless it is fast enough.

    least  how many times faster than `over` it must be, at least
    form   which one is asked about; by default the last, which is what the ladder leads to
    over   which one it is held against; by default the first. Ten times a loop in Python says that
           there is no such loop left, and not that fusing helped: `over="tiled"` asks that

    Raises ValueError for a form that is not among the rungs.
    """
    named = {rung.form: rung for rung in rungs}
    for name in (form, over):
        if name is not None and name not in named:
            raise ValueError(f"gate: no form is called {name!r}; there are {', '.join(named)}")
    asked = rungs[-1] if form is None else named[form]
    base = rungs[0] if over is None else named[over]
    found = base.seconds / asked.seconds
    if found < least:
        raise ArithmeticError(
            f"{asked.form} takes {in_seconds(asked.seconds)}: {found:.1f} times as fast as "
            f"{base.form}, and {least:g} was wanted"
        )
    return asked


def _overlap(a: Rung, b: Rung) -> bool:
    """Whether the middle halves of two forms' times have a time in common."""
    if a.quartiles is None or b.quartiles is None:
        return False
    return max(a.quartiles[0], b.quartiles[0]) <= min(a.quartiles[1], b.quartiles[1])
