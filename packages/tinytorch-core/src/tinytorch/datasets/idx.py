"""The IDX format of MNIST: a magic number, the sizes, then the values, big-endian.

The magic number's third byte is the type (8 is uint8, the only one read here), its fourth the
number of axes. A file may be compressed with gzip; its first bytes tell, not its name. Left out:
which files there are and what they should hold (catalogue.py, mnist.py).
"""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import numpy as np

from tinytorch.datasets.errors import DatasetCorruptError
from tinytorch.datasets.image_dataset import Uint8Array


def read_bytes(path: Path) -> bytes:
    """The content of a file, unpacked where it is gzip'd.

    Raises DatasetCorruptError, naming the file, where the compressed stream is cut short or
    damaged.
    """
    with open(path, "rb") as stream:
        compressed = stream.read(2) == b"\x1f\x8b"
    if not compressed:
        return path.read_bytes()
    try:
        with gzip.open(path) as unpacked:
            return unpacked.read()
    except EOFError:
        raise DatasetCorruptError(
            f"{path} is cut short: its gzip stream stops before the end, after "
            f"{path.stat().st_size:,} bytes. Fetch or copy it again"
        ) from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise DatasetCorruptError(f"{path} is damaged: {error}. Fetch or copy it again") from None


def parse_idx(content: bytes, path: Path) -> Uint8Array:
    """The array in an IDX file's content; `path` is for messages.

    Raises DatasetCorruptError where the magic number or the length is not what the format says.
    """
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] != 8 or not 1 <= content[3] <= 4:
        raise DatasetCorruptError(
            f"{path} is no IDX file of bytes: it begins with 0x{content[:4].hex() or '(nothing)'}; "
            "expected 0x00000801 (labels) or 0x00000803 (images)"
        )
    axes = content[3]
    header = 4 + 4 * axes
    if len(content) < header:
        raise DatasetCorruptError(
            f"{path} is cut short: {len(content)} bytes, where its header alone takes {header}"
        )
    shape = tuple(int(size) for size in np.frombuffer(content, ">u4", axes, offset=4))
    expected = header
    count = 1
    for size in shape:
        count *= size
    expected += count
    if len(content) != expected:
        word = "is cut short" if len(content) < expected else "goes on after its end"
        raise DatasetCorruptError(
            f"{path} {word}: {len(content):,} bytes, where a header of shape {shape} "
            f"calls for {expected:,}. Fetch or copy it again"
        )
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape).copy()
