"""Says what an error is in the student's terms: one sentence, and the line of theirs.

Used where checks run, and by `tito` for whatever else runs a student's file. Left out: showing it.
"""

from __future__ import annotations

import builtins
import linecache
import re
import sys
import traceback
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tinytorch.course import overlay

INSTEAD = {  # for plain numbers, of the names that lesson 01 gives to operations
    "max": "the largest of plain numbers is sorted(numbers)[-1]",
    "sum": "plain numbers are added up by math.fsum(numbers)",
    "pow": "a power of plain numbers is x**y",
}


def sentence_of(error: BaseException) -> str:
    """What happened, in one sentence."""
    if isinstance(error, RecursionError):
        return "RecursionError: a function calls itself without end"
    if isinstance(error, SyntaxError):
        return f"{type(error).__name__}: {error.msg}"
    if isinstance(error, ImportError) and (own := _own_file(str(error.path))):
        name = re.match(r"cannot import name '(\w+)'", str(error))
        if name:
            return f"{own} does not define {name[1]} (cannot import name {name[1]!r} from it)"
    return f"{type(error).__name__}: {error}"


def calls_unwritten(
    error: BaseException, missing: str, written: Sequence[str]
) -> tuple[str, dict[str, Any] | None]:
    """Which of the exercises in `written` called `missing`, and in which line; "" where none did.

    error    what the exercise that is missing raised
    missing  its name
    """
    frames = []
    trace = error.__traceback__
    while trace is not None:
        frames.append(trace.tb_frame.f_code)
        trace = trace.tb_next
    summaries = traceback.extract_tb(error.__traceback__)
    for code, summary in reversed(list(zip(frames, summaries, strict=True))):
        name = code.co_qualname.partition(".<locals>")[0]
        if name != missing and name in written and _own_file(code.co_filename):
            return name, _line(summary)
    return "", None


def shadowed(names: Iterable[str]) -> str:
    """A sentence on those of the names that Python has too, "" where there is none."""
    found = next((name for name in names if hasattr(builtins, name)), None)
    if found is None:
        return ""
    said = f". In your file {found} means the operation on tensors, not Python's built-in {found}"
    return f"{said}; {INSTEAD[found]}." if found in INSTEAD else f"{said}."


def own_line(error: BaseException, also: str = "") -> dict[str, Any] | None:
    """Return the last line of the workspace that the error passed through, as `Place` takes it.

    also  a file that counts as the student's, too
    """

    def own_file(file: str) -> bool:
        return bool(_own_file(file)) or file == also

    if isinstance(error, SyntaxError) and own_file(str(error.filename)):
        code = (error.text or "").rstrip("\n")
        end = error.end_offset if error.end_lineno == error.lineno else None
        return _place(str(error.filename), error.lineno or 1, code, error.offset, end)
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if own_file(frame.filename)]
    if not own:
        return None
    return _line(own[-1])


def _line(last: traceback.FrameSummary) -> dict[str, Any]:
    """One step of a traceback, as `Place` takes it."""
    code = linecache.getline(last.filename, last.lineno or 1).rstrip("\n")
    column = _characters(code, last.colno)
    end = _characters(code, last.end_colno) if last.end_lineno == last.lineno else None
    return _place(last.filename, last.lineno or 1, code, column, end)


def _place(file: str, line: int, code: str, column: int | None, end: int | None) -> dict[str, Any]:
    """The line without its indentation, and the columns moved with it."""
    shown = code.strip()
    indent = len(code) - len(code.lstrip())
    column = max(column - indent, 1) if column else None
    end = end - indent if end and column and end - indent > column else None
    return {"file": file, "line": line, "code": shown, "column": column, "end_column": end}


def _characters(code: str, offset: int | None) -> int | None:
    """A column from 1, of an offset in bytes from 0."""
    if offset is None:
        return None
    return len(code.encode()[:offset].decode(errors="replace")) + 1


def _own_file(file: str) -> str:
    """Return "core/tensor.py" for a file that the overlay serves (it may not import), else ""."""
    for finder in sys.meta_path:
        if isinstance(finder, overlay.Overlay):
            for own in finder.files.values():
                if Path(file) == own:
                    return own.relative_to(finder.root).as_posix()
    return ""
