"""Walk through long arrays in pieces that fit the cache: what the fast forms of optimizers share.

A rule such as Adam's has a dozen steps, and each is a walk through whole arrays. For ten million
parameters every walk moves 40 MB or more between memory and processor, and that is what takes the
time, not the arithmetic. In pieces of 32,768 elements (128 KB of float32) all steps of one piece
happen while its arrays are in the second-level cache, so each array crosses the bus once. With
scratch arrays of one piece, used again and again, no step asks for new memory either.

Left out: threads (two of them share one bus), and operations with an output, which walk in the
blocks of `blocks.py`: a rule changes its arrays in place, so it needs views, never copies.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinytorch.core.primitive import Array

PIECE = 32_768  # elements; five arrays of float32 are 640 KB


def in_pieces(arrays: list[Array], scratch: int, rule: Callable[..., None]) -> bool:
    """Call `rule(*pieces, *scratch_pieces)` for each piece of `arrays`, which it changes in place.

    arrays   of one shape
    scratch  how many arrays of one piece the rule wants besides, with anything in them

    Returns False, and does nothing, for arrays that have no flat view (not contiguous) or that are
    not all of one floating-point type: the plain definition takes those.
    """
    size, dtype = arrays[0].size, arrays[0].dtype
    if dtype not in (np.float32, np.float64):
        return False
    if not all(a.dtype == dtype and a.flags.c_contiguous for a in arrays):
        return False
    if size <= PIECE:
        rule(*arrays, *[np.empty_like(arrays[0]) for _ in range(scratch)])
        return True
    flat = [a.reshape(-1) for a in arrays]  # views, because the arrays are contiguous
    flat_scratch = [np.empty(PIECE, dtype) for _ in range(scratch)]
    for start in range(0, size, PIECE):
        stop = min(start + PIECE, size)
        rule(*[a[start:stop] for a in flat], *[s[: stop - start] for s in flat_scratch])
    return True


def done(worked: bool) -> Any:
    """Say to the door that the work was done in place, or that the plain definition shall do it."""
    return (None, None) if worked else None
