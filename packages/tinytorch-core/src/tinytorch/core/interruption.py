"""Ctrl-C between steps: `with Interruption() as interruption: ... if interruption.asked: stop`.

An interrupt may come while parameters are being changed, and half a step is worth nothing. So the
first Ctrl-C is only noted; a second one raises KeyboardInterrupt at once, as usual.
"""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType
from typing import Any


class Interruption:
    """Within this block, `asked` says whether Ctrl-C was pressed.

    Only the main thread hears of it; where another handler than Python's own is set, that one is
    left alone.
    """

    def __init__(self) -> None:
        self.asked = False
        self._former: Any = None

    def __enter__(self) -> Interruption:
        in_main_thread = threading.current_thread() is threading.main_thread()
        if in_main_thread and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            self._former = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *exception: object) -> None:
        if self._former is not None:
            signal.signal(signal.SIGINT, self._former)
            self._former = None

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        # not print(): the interrupted code may be inside of one
        os.write(2, b"\nstopping after this step; Ctrl-C again stops at once\n")
