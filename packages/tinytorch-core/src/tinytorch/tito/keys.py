"""Single keys from a terminal, without Enter; and the terminal as it was, whatever happens.

Ctrl-C stays Ctrl-C. Left out: arrows and other keys that send several characters.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from types import FrameType, TracebackType
from typing import Any

if sys.platform == "win32":
    import msvcrt

    class Keys:
        """`with Keys() as keys: keys.wait(0.5)` gives a key, or "" when the time is up."""

        def __enter__(self) -> Keys:
            return self

        def __exit__(self, *_: Any) -> None:
            pass

        def wait(self, seconds: float) -> str:
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                if msvcrt.kbhit():
                    return msvcrt.getwch()
                time.sleep(0.02)
            return ""

else:
    import select
    import termios
    import tty

    class Keys:
        """`with Keys() as keys: keys.wait(0.5)` gives a key, or "" when the time is up.

        A terminal that has gone away gives "q" for ever.
        """

        def __enter__(self) -> Keys:
            self._terminal = sys.stdin.fileno()
            self._before = termios.tcgetattr(self._terminal)
            self._handlers = {
                signal.SIGCONT: signal.signal(signal.SIGCONT, self._again),  # after Ctrl-Z, fg
                signal.SIGTERM: signal.signal(signal.SIGTERM, _end),
                signal.SIGHUP: signal.signal(signal.SIGHUP, _end),
            }
            tty.setcbreak(self._terminal)
            return self

        def __exit__(
            self,
            kind: type[BaseException] | None,
            error: BaseException | None,
            trace: TracebackType | None,
        ) -> None:
            termios.tcsetattr(self._terminal, termios.TCSADRAIN, self._before)
            for number, handler in self._handlers.items():
                signal.signal(number, handler)

        def wait(self, seconds: float) -> str:
            ready, _, _ = select.select([self._terminal], [], [], seconds)
            if not ready:
                return ""
            try:
                pressed = os.read(self._terminal, 16)
            except OSError:
                return "q"
            if pressed.startswith(b"\x1b") and len(pressed) > 1:  # an arrow, say
                return ""
            return pressed.decode("utf-8", "ignore")[:1] if pressed else "q"

        def _again(self, number: int, frame: FrameType | None) -> None:
            tty.setcbreak(self._terminal)

    def _end(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)
