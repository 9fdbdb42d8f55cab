"""Sizes that change from call to call: what a number of a trace is made of, found by comparing.

A model is traced with several sizes of its inputs. A number that is the same in all traces is a
constant; one that grows with the batch is a `Dim` of "batch": 4*batch + 1, say. Left out: what is
written for a `Dim` into the file (`writer.py`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

Sizes = Mapping[str, int]  # of one trace: {"batch": 2, "sequence": 5}


class DimensionError(ValueError):
    """A size that depends on the inputs' in a way that the file cannot say."""


@dataclass(frozen=True)
class Dim:
    """A number plus multiples of symbols, or of products of them: past + sequence + 1, 4 * batch.

    terms  (symbols that are multiplied, factor), in order; without any, the constant `offset`
    """

    offset: int = 0
    terms: tuple[tuple[tuple[str, ...], int], ...] = ()

    @property
    def constant(self) -> int | None:
        """Its value where it has one, else None."""
        return None if self.terms else self.offset

    def at(self, sizes: Sizes) -> int:
        """Its value in a trace."""
        parts = (factor * math.prod(sizes[s] for s in symbols) for symbols, factor in self.terms)
        return self.offset + sum(parts)

    def __str__(self) -> str:
        if not self.terms:
            return str(self.offset)
        products = [
            "*".join([*([str(factor)] if factor != 1 else []), *symbols])
            for symbols, factor in self.terms
        ]
        return " + ".join([*products, *([str(self.offset)] if self.offset else [])])


Shape = tuple[Dim, ...]


def dim_of(values: Sequence[int], traces: Sequence[Sizes], what: str = "a size") -> Dim:
    """Find what gives these values, one for each trace: see `sizes_to_try` for which these are.

    Raises DimensionError, naming `what`, where nothing of the form of a `Dim` does.
    """
    if len(set(values)) == 1:
        return Dim(int(values[0]))
    for found in [sum_of(values, traces), *products_of(values, traces)]:
        if all(found.at(sizes) == value for sizes, value in zip(traces, values, strict=True)):
            return found
    listed = ", ".join(f"{v} with {dict(s)}" for v, s in zip(values, traces, strict=True))
    raise DimensionError(f"{what} is {listed}: it is no sum of multiples of these sizes")


def sum_of(values: Sequence[int], traces: Sequence[Sizes]) -> Dim:
    """What it is if each symbol counts by itself: trace i has the i-th symbol one larger."""
    base = traces[0]
    steps = [int(value - values[0]) for value in values[1 : len(base) + 1]]
    terms = tuple(((s,), step) for s, step in zip(base, steps, strict=True) if step)
    rest = sum(step * base[symbol] for ((symbol,), step) in terms)
    return Dim(int(values[0]) - rest, terms)


def products_of(values: Sequence[int], traces: Sequence[Sizes]) -> Iterator[Dim]:
    """What it is if it is a multiple of a product of symbols."""
    base = traces[0]
    for count in range(2, len(base) + 1):
        for some in combinations(base, count):
            factor, rest = divmod(int(values[0]), math.prod(base[s] for s in some))
            if factor and not rest:
                yield Dim(0, ((some, factor),))


def shape_of(
    shapes: Sequence[Sequence[int]], traces: Sequence[Sizes], what: str = "a shape"
) -> Shape:
    """The same for each axis of a shape. Raises DimensionError."""
    if len({len(shape) for shape in shapes}) > 1:
        raise DimensionError(f"{what} has {', '.join(map(str, map(len, shapes)))} axes")
    return tuple(dim_of(sizes, traces, what) for sizes in zip(*shapes, strict=True))
