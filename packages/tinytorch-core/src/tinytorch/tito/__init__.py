"""tito, the command line: `tito` in a shell, `main([...])` from Python.

Here: what holds for every command, that is exit statuses, errors in one sentence, Ctrl-C, and
output that a narrow encoding cannot break. Left out: the commands (`app.py` names them).

Exit statuses: 0 well; 1 a gate or a check failed, or something went wrong; 2 wrong usage; 130
Ctrl-C.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line (without the program's name) and return its exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    full = "--full" in given  # accepted anywhere, because it is added when something went wrong
    given = [word for word in given if word != "--full"]
    try:
        return _run(given)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader went away, as in `tito data list | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        if full:
            raise
        print(_sentence(error, given), file=sys.stderr)
        return 1


def _run(given: list[str]) -> int:
    import click

    from tinytorch.tito.app import tito
    from tinytorch.tito.plain import make_encodable

    make_encodable(sys.stdout, sys.stderr)
    try:
        status = tito.main(given, prog_name="tito", standalone_mode=False)
        sys.stdout.flush()  # so that a broken pipe shows here, and not at exit
    except click.exceptions.Abort:
        return 130
    except click.ClickException as error:
        error.show()
        return error.exit_code
    return status if isinstance(status, int) else 0


def _sentence(error: Exception, given: list[str]) -> str:
    """What went wrong; and how to see more, unless the message was written for a reader."""
    from tinytorch.course.lesson import LessonError
    from tinytorch.course.overlay import WorkspaceError
    from tinytorch.datasets import errors

    # str(KeyError("text")) is the text in quotes
    message = str(error.args[0]) if type(error) is KeyError and error.args else str(error)
    written = (
        errors.DatasetMissingError,
        errors.DatasetCorruptError,
        errors.DownloadError,
        WorkspaceError,
        LessonError,
    )
    if isinstance(error, written):
        return f"tito: {message}"
    from tinytorch.tito.blame import told

    theirs = told(error)
    if theirs:
        return f"tito: {theirs}"
    again = " ".join(["tito", *given, "--full"])
    return f"tito: {type(error).__name__}: {message}\nTo see where it happened: {again}"
