"""Shows an error of an ordinary cell in a notebook without the lines of TinyTorch that it passed.

What is left is the cell and the student's own definitions, as in a terminal. Left out: errors of
the course's own commands (`notebook_cells.CellError`), which show no lines at all.
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any

import tinytorch

OURS = [str(Path(folder).resolve()) for folder in tinytorch.__path__]


def install(shell: Any) -> None:
    """Let a kernel show errors so."""
    shell.set_custom_exc((Exception,), show)


def show(
    shell: Any,
    kind: type[BaseException],
    error: BaseException,
    trace: TracebackType | None,
    tb_offset: int | None = None,
) -> None:
    """What IPython calls with an error; its own first line it leaves out itself."""
    shell.showtraceback((kind, error, theirs(trace)), tb_offset=tb_offset)


def theirs(trace: TracebackType | None) -> TracebackType | None:
    """A traceback without the lines of the installed package."""
    kept = []
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if not any(file.startswith(folder) for folder in OURS):
            kept.append(trace)
        trace = trace.tb_next
    rest = None
    for step in reversed(kept):
        rest = TracebackType(rest, step.tb_frame, step.tb_lasti, step.tb_lineno)
    return rest
