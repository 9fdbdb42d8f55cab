"""Texts for character models: TinyShakespeare, and a small almanac of our own.

Left out: turning characters into numbers (module 10).
"""

from __future__ import annotations

import hashlib
from importlib import resources
from pathlib import Path

from tinytorch.datasets import catalogue
from tinytorch.datasets.catalogue import DataFile
from tinytorch.datasets.download import obtain
from tinytorch.datasets.errors import DatasetCorruptError


class TextDataset:
    """One text: `text` whole, `train` its first 90 per cent, `validation` the rest.

    >>> data = TextDataset("alphabet", "abcdefghij")
    >>> data.train, data.validation
    ('abcdefghi', 'j')
    """

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.text = text
        cut = len(text) * 9 // 10
        self.train = text[:cut]
        self.validation = text[cut:]

    def __len__(self) -> int:
        return len(self.text)

    def __repr__(self) -> str:
        kinds = len(set(self.text))
        return f"{self.name}({len(self):,} characters, {kinds} different ones)"


class TinyShakespeare(TextDataset):
    """TinyShakespeare: 1,115,394 characters of plays, 65 different ones.

    Arguments:
        download: False never goes to the network.

    Raises DatasetMissingError, DownloadError or DatasetCorruptError; each says what to do.
    Karpathy: The unreasonable effectiveness of recurrent neural networks, 2015.
    """

    def __init__(self, *, download: bool = True) -> None:
        entry = catalogue.TINY_SHAKESPEARE
        path = obtain(entry, entry.files[0], check, download=download)
        super().__init__("TinyShakespeare", _read(entry.files[0], path).decode("ascii"))


class Almanac(TextDataset):
    """A year in a harbour town, a few thousand characters, written for this package (MIT)."""

    def __init__(self) -> None:
        source = resources.files("tinytorch.datasets").joinpath("almanac.txt")
        # Read as bytes: a text read would turn line ends into the platform's.
        super().__init__("Almanac", source.read_bytes().decode("ascii").replace("\r\n", "\n"))


def check(file: DataFile, path: Path) -> str:
    """Read `path` as the text `file`: a sentence about it, or DatasetCorruptError."""
    _read(file, path)
    return "content has the recorded SHA-256"


def _read(file: DataFile, path: Path) -> bytes:
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != file.sha256:
        word = "is cut short" if len(content) < file.size else "is damaged or another text"
        raise DatasetCorruptError(
            f"{path} {word}: {len(content):,} bytes, SHA-256 {found}; "
            f"expected {file.size:,} bytes, {file.sha256}. Fetch or copy it again"
        )
    return content
