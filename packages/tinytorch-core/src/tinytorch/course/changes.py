"""Notices that a file was saved: by looking, or by the system's word where watchfiles is installed.

Looking works everywhere: over SSH, on mounted disks, in containers. Left out: folders.
"""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path


class Changes:
    """Whether the content of a file differs from what it was when it was last asked for."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._stamp: tuple[int, int] | None = None
        self._digest = ""
        self._told: threading.Event | None = None
        self.changed()
        self._listen()

    def changed(self) -> bool:
        """Whether there is something new. A file that is away, while it is saved, is not."""
        if self._told is not None and not self._told.is_set():
            return False
        try:
            status = self.file.stat()
            stamp = (status.st_mtime_ns, status.st_size)
            if stamp == self._stamp:
                return False
            digest = hashlib.sha256(self.file.read_bytes()).hexdigest()
        except OSError:
            return False
        if self._told is not None:
            self._told.clear()
        new = digest != self._digest  # a file that was saved as it was is not
        self._stamp, self._digest = stamp, digest
        return new

    def _listen(self) -> None:
        try:
            from watchfiles import watch
        except ImportError:
            return
        told = threading.Event()

        def wait() -> None:
            try:
                for _ in watch(self.file.parent, recursive=False, step=20, debounce=100):
                    told.set()
            except Exception:  # no such service here after all: look instead
                self._told = None

        self._told = told
        threading.Thread(target=wait, daemon=True).start()
