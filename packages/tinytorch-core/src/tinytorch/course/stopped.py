"""Where code was when it took too long: the line of the student's that an endless loop ran in.

`watch` asks Python to write down where it is, shortly before its parent's patience ends. Python
does that from a thread of C, so a loop inside of NumPy is caught as well, and nothing that runs is
disturbed. `place_in` finds the student's line in what was written. Left out: stopping
(`runner.py`, `bugs.py`).
"""

from __future__ import annotations

import faulthandler
import linecache
import re
from collections.abc import Iterable
from typing import IO, Any

EARLY = 0.8  # of the time that is allowed, so that there is time to write
LAST_WORDS = " When it was stopped it was in this line:"
FRAME = re.compile(r'^  File "(.*)", line (\d+) in ', re.MULTILINE)  # the innermost comes first


def watch(seconds: float, file: IO[Any]) -> None:
    """Write to `file` where the program is, once most of `seconds` have passed.

    The time begins anew with each call. What was written before is forgotten.
    """
    file.seek(0)
    file.truncate()
    faulthandler.dump_traceback_later(EARLY * seconds, file=file)


def rest() -> None:
    """Nothing runs that could take too long."""
    faulthandler.cancel_dump_traceback_later()


def place_in(written: str, files: Iterable[str]) -> dict[str, Any] | None:
    """The innermost line in one of `files`, as `Place` takes it; None where there is none."""
    # faulthandler writes ASCII only, and no more than 500 characters of a name
    names = {file.encode("ascii", "backslashreplace").decode()[:500]: file for file in files}
    for name, line in FRAME.findall(written):
        known = names.get(name.removesuffix("..."))
        if known is not None:
            code = linecache.getline(known, int(line)).strip()
            return {"file": known, "line": int(line), "code": code}
    return None
