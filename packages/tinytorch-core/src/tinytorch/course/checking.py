"""What checks are written with: `exercise` says what a check is about, `same` and `raises` compare.

A check is a pytest function whose name is a sentence. When it fails it says what was called, with
which shapes, what was expected, what came, and where the two first differ. Left out: running checks
and showing their results (`runner.py`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from tinytorch.course.explaining import sentence_of

FEW = 16  # elements that are shown where the shapes differ
MOST = 1000  # elements that are shown, shortened; of more, only the range
ROWS = "\n" + 10 * " "  # before each row of a matrix: below "expected  "
TENSORS = "it holds tensors, not numbers: in your file max, sum and pow are operations on tensors"
KINDS = {"f": "floating point", "i": "integers", "u": "integers", "b": "booleans"}


class CheckFailed(AssertionError):  # noqa: N818  (it is a verdict, not a fault)
    """An answer that is not what the check expects, explained."""


def exercise(name: str, says: str = "") -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Say which exercise a check belongs to.

    says  its sentence, where the name of the function cannot hold it: one with a comma
    """

    def mark(check: Callable[[], None]) -> Callable[[], None]:
        check.exercise = name  # type: ignore[attr-defined]
        check.says = says  # type: ignore[attr-defined]
        return check

    return mark


def same(
    got: Any, expected: Any, *, call: str, why: str = "", rtol: float = 1e-5, atol: float = 1e-6
) -> None:
    """Raise CheckFailed unless `got` is `expected`: a tensor or array, a number, a tuple of them.

    call  what was called, as one would write it
    why   one sentence: why the expected answer is right
    """
    if isinstance(expected, tuple | list) and not _is_numbers(expected):
        if not isinstance(got, tuple | list) or len(got) != len(expected):
            _fail(call, why, f"{len(expected)} values", _shown(got), "")
        for i, (g, e) in enumerate(zip(got, expected, strict=True)):
            same(g, e, call=f"{call}[{i}]", why=why, rtol=rtol, atol=atol)
        return
    if expected is None or got is None:
        if got is not expected:
            _fail(call, why, _shown(expected), _shown(got), _hint(got, call))
        return
    sizes = got if isinstance(expected, tuple) and isinstance(got, tuple | list) else ()
    if any(type(size).__name__ == "Tensor" for size in sizes):  # a shape is of numbers
        _fail(call, why, repr(expected), repr(got), TENSORS)
    wanted = np.asarray(getattr(expected, "data", expected))
    answer = _as_array(got)
    if answer is None:
        _fail(call, why, _shown(expected), repr(got), "")
    if answer.dtype.kind not in "fiub" and wanted.dtype.kind in "fiub":
        _fail(call, why, _shown(expected), repr(got), "")
    shown = _shown(expected), _shown(got)
    kinds = KINDS.get(wanted.dtype.kind, ""), KINDS.get(answer.dtype.kind, "")
    if kinds[0] != kinds[1] and kinds != ("integers", "floating point"):  # [1, 2] may be 1.0, 2.0
        shown = f"{shown[0]}  ({kinds[0]})", f"{shown[1]}  ({kinds[1]})"
    if answer.shape != wanted.shape:
        if max(answer.size, wanted.size) > FEW:
            shown = f"shape {wanted.shape}", f"shape {answer.shape}"
        _fail(call, why, *shown, "the shapes differ")
    close = np.isclose(answer, wanted, rtol=rtol, atol=atol, equal_nan=True)
    if not close.all():
        index = tuple(int(i) for i in np.argwhere(~close)[0])
        where = f"at index {index}: " if index else ""
        count = f"; {int((~close).sum())} of {close.size} elements differ" if close.size > 1 else ""
        difference = f"{where}expected {wanted[index]:.7g}, got {answer[index]:.7g}{count}"
        _fail(call, why, *shown, difference)


@contextmanager
def raises(
    error: type[BaseException], match: str = "", *, call: str, why: str = "", words: str = ""
) -> Iterator[None]:
    """Raise CheckFailed unless the block raises `error`, its message containing `match`.

    match  a regular expression
    words  the same for a reader, who may not know any: "both shapes, (4, 3) and (4, 5)"
    """
    if not words and re.search(r"[\\.*+?\[\](){}|^$]", match):
        raise ValueError(f"say in words what {match!r} looks for")
    mentions = f" whose message mentions {words or match}" if match else ""
    try:
        yield
    except Exception as caught:
        unwritten = isinstance(caught, NotImplementedError) and " · " in str(caught)
        if unwritten or isinstance(caught, MemoryError):  # which are explained elsewhere
            raise
        if not isinstance(caught, error) or not re.search(match, str(caught)):
            _fail(call, why, f"{error.__name__}{mentions}", sentence_of(caught), "", caught)
    else:
        _fail(call, why, f"{error.__name__}{mentions}", "no error", "")


def _as_array(value: Any) -> Any:
    try:
        return np.asarray(getattr(value, "data", value))
    except ValueError:
        return None


def _is_numbers(value: Any) -> bool:
    return all(isinstance(v, int | float | bool) for v in value)


def _hint(got: Any, call: str) -> str:
    itself = not re.search(r"(\]|[.:] ?\w+)$", call)  # not one of its answers, not an attribute
    return "is a `return` missing?" if got is None and itself else ""


def _shown(value: Any) -> str:
    if value is None:
        return "None"
    array = _as_array(value)
    shape = isinstance(value, tuple) and _is_numbers(value)  # or strides: a tuple, not an array
    if array is None or array.dtype.kind not in "fiub" or shape:
        return repr(value)
    text = np.array2string(
        array, max_line_width=64, precision=6, separator=", ", threshold=40, edgeitems=3
    )
    if not array.ndim:
        return text
    if array.size > MOST:
        return f"shape {array.shape}  {_range(array)}"
    rows = ["", *text.splitlines()] if array.ndim > 1 else [f"  {text}"]
    return f"shape {array.shape}" + ROWS.join(rows)


def _range(array: Any) -> str:
    """Between which numbers an array lies that is too large to be looked at."""
    if array.dtype.kind == "b":
        return f"{np.count_nonzero(array)} of {array.size} True"
    with np.errstate(all="ignore"):
        lowest, highest, mean = array.min(), array.max(), array.mean(dtype=np.float64)
    return f"from {lowest:.6g} to {highest:.6g}, on average {mean:.6g}"


def _fail(
    call: str,
    why: str,
    expected: str,
    got: str,
    difference: str,
    cause: BaseException | None = None,
) -> None:
    lines = [call, f"expected  {expected}", f"got       {got}"]
    lines += [difference] if difference else []
    lines += [f"why: {why}"] if why else []
    raise CheckFailed("\n".join(lines)) from cause
