"""Files that are written whole or not at all: the one way in which TinyTorch writes them.

It imports nothing but the standard library, so that commands which compute nothing start fast.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

AnyPath = str | os.PathLike[str]


def write_atomically(path: AnyPath, content: bytes | memoryview | str) -> None:
    """Put `content` into the file `path`: whoever reads it sees the old file or the new one.

    It is written beside the target, forced to the disk, and renamed, which is one step for the
    file system. A kill in between leaves a file `.NAME.XXXX.partial`, which nobody reads.
    """
    target = Path(os.path.realpath(path))  # a link stays, and what it points to is replaced
    if not target.parent.is_dir():
        raise FileNotFoundError(f"{path}: there is no folder {target.parent} to write it in")
    data = content.encode() if isinstance(content, str) else content
    partial = target.with_name(f".{target.name}.{secrets.token_hex(4)}.partial")
    try:
        with open(partial, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, target)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    if os.name == "posix":  # the new name must reach the disk too
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def remove_partial(path: AnyPath) -> None:
    """Remove what killed writers of `path` left behind. Only for whoever writes there alone."""
    target = Path(os.path.realpath(path))
    for partial in target.parent.glob(f".{target.name}.*.partial"):
        partial.unlink(missing_ok=True)
