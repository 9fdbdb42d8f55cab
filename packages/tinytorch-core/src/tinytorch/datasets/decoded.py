"""Unpacked arrays kept in the cache, so that a slow archive is read once.

Plain .npy files and a small JSON record beside them: which source they were made from, and a
checksum of each file. A record that does not fit the source, or a file that does not fit the
record, counts as absent, and the arrays are made again. Left out: how to make them (cifar.py).
"""

from __future__ import annotations

import io
import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from tinytorch.core.files import write_atomically
from tinytorch.datasets.image_dataset import Uint8Array

FORMAT = 1  # raise when what is stored changes its meaning


def load(folder: Path, name: str, source: Path) -> Uint8Array | None:
    """The array stored as `name` from `source` as it is now, or None.

    Damage is noticed by a CRC-32: it guards against a disk or a half-written file, not a forger.
    """
    try:
        record = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        if not isinstance(record, dict) or record.get("key") != _key(source):
            return None
        content = (folder / f"{name}.npy").read_bytes()
        if zlib.crc32(content) != record.get("crc32"):
            return None
        array = np.load(io.BytesIO(content), allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return array if isinstance(array, np.ndarray) and array.dtype == np.uint8 else None


def save(folder: Path, name: str, source: Path, array: Uint8Array) -> None:
    """Store `array` as `name`, made from `source`; OSError where the folder cannot be written."""
    folder.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    content = buffer.getbuffer()
    record = {"key": _key(source), "crc32": zlib.crc32(content)}
    write_atomically(folder / f"{name}.npy", content)
    write_atomically(folder / f"{name}.json", json.dumps(record).encode())  # last: it vouches


def _key(source: Path) -> dict[str, Any]:
    status = source.stat()
    return {
        "format": FORMAT,
        "source": source.name,
        "bytes": status.st_size,
        "mtime_ns": status.st_mtime_ns,
    }
