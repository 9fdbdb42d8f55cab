"""One line that says what is going on, and goes away: for work of a second or more.

Left out: bars (`screen.py`), because checks have no known duration.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tinytorch.tito.screen import Screen


@contextmanager
def passing(screen: Screen) -> Iterator[Callable[[str], None]]:
    """Call what is given with a text to show it in place of the last one; nothing in a pipe."""
    able = screen.is_terminal and not screen.quiet and os.environ.get("TERM") != "dumb"

    def show(text: str) -> None:
        if able:
            sys.stdout.write(f"\r\x1b[K{screen.styled(text[: screen.columns], 'dim')}")
            sys.stdout.flush()

    try:
        yield show
    finally:
        if able:
            sys.stdout.write("\r\x1b[K")
            sys.stdout.flush()
