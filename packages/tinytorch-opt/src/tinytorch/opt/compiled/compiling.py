"""How the loops of this package are compiled, and the exponential that they share."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

_numba = importlib.import_module("numba")
F = TypeVar("F", bound=Callable[..., Any])

# Sums may be taken in another order, so that eight elements are added at a time. Not allowed: to
# take for granted that there is no nan and no infinity.
FREEDOM = {"reassoc", "contract", "arcp", "nsz"}


def compiled(function: F) -> F:
    """Compile a loop at its first call, keep it on disk, and let go of the interpreter in it.

    What is kept is looked up by the loop's own file: after a change of `exp`, touch the others.
    Where no folder can be written, nothing is kept.
    """
    options = {"nogil": True, "error_model": "numpy", "fastmath": FREEDOM}
    try:
        made: F = _numba.njit(cache=True, **options)(function)
    except RuntimeError:  # "no locator available": neither here nor in the user's cache folder
        made = _numba.njit(**options)(function)
    return made


LOG2_E, LN2 = np.float32(math.log2(math.e)), np.float32(math.log(2))
LN2_REST = np.float32(math.log(2) - float(LN2))  # what float32 leaves of it
ZERO, HALF, ONE, INFINITY = (np.float32(number) for number in (0, 0.5, 1, math.inf))
T3, T4, T5, T6 = (np.float32(1 / math.factorial(n)) for n in (3, 4, 5, 6))
LOWEST, HIGHEST = np.float32(-87.3), np.float32(88.3)  # between them, 2^n is a normal float32
BIAS, EXPONENT = np.float32(127), np.float32(1 << 23)  # of float32: where the exponent's bits begin


@compiled
def exp(x: np.float32) -> np.float32:
    """e to the power of x, to 5e-7 of itself; 0 below -87.3, infinity above 88.3, nan of nan.

    x is n ln 2 + r with |r| <= ln(2) / 2; e^r is its Taylor polynomial, and 2^n is written into the
    exponent's bits. Arithmetic and choices alone, no branch, so that eight elements are done at a
    time, which calls of libm's exp would not allow.
    """
    inside = x if x > LOWEST else LOWEST  # for a nan, too
    inside = inside if inside < HIGHEST else HIGHEST
    n = np.floor(inside * LOG2_E + HALF)
    r = (inside - n * LN2) - n * LN2_REST
    tail = HALF + r * (T3 + r * (T4 + r * (T5 + r * T6)))
    power = np.int32((n + BIAS) * EXPONENT).view(np.float32)
    result: np.float32 = (ONE + r + r * r * tail) * power
    result = result if x > LOWEST else ZERO
    result = result if x < HIGHEST else INFINITY
    return result if x == x else x
