"""Get a data file: where it lies already, else from its mirrors, checked before it is kept.

`obtain` is what loading a data set calls. A download goes to a folder of its own inside the cache,
is checked there, and only then moved into place, so that a cache never holds half a file or a wrong
one. Left out: what a right file is (each reader's `check`), and where files lie (folders.py).
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from tinytorch.datasets.catalogue import DataFile, Entry
from tinytorch.datasets.errors import DatasetCorruptError, DatasetMissingError, DownloadError
from tinytorch.datasets.folders import cache_folder, find, lacking
from tinytorch.datasets.progress import PoochBar, Progress, TerminalProgress

Check = Callable[[DataFile, Path], str]
"""Reads a file: a sentence about what was found, or DatasetCorruptError."""

TIMEOUT = 30  # seconds without a byte


def obtain(entry: Entry, file: DataFile, check: Check, *, download: bool = True) -> Path:
    """The path of `file`: in TINYTORCH_DATA, in the cache, or downloaded now, with a bar."""
    found = find(entry, file)
    if found is not None:
        return found.path
    if not download:
        raise DatasetMissingError(
            f"{file.name} of {entry.name} is neither in TINYTORCH_DATA nor in {cache_folder()}, "
            f"and download=False.\n{ways_out(entry)}"
        )
    return fetch_file(entry, file, check, TerminalProgress())


def fetch_file(entry: Entry, file: DataFile, check: Check, progress: Progress | None) -> Path:
    """Download `file` into the cache from the first mirror that gives a right one.

    Raises DownloadError, naming the file, each address and what was wrong with it.
    """
    folder = cache_folder() / entry.name
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DownloadError(
            f"{file.name} of {entry.name} has no place to go: {folder} cannot be made ({error}). "
            "Set TINYTORCH_CACHE to a folder that can be written"
        ) from error
    failures = []
    for address in file.mirrors:
        with tempfile.TemporaryDirectory(prefix=".download-", dir=folder) as scratch:
            arrived = Path(scratch) / file.name
            try:
                _download(address, arrived, progress)
                check(file, arrived)
            except (OSError, DatasetCorruptError) as error:
                failures.append(f"  {address}\n    {_reason(error, arrived)}")
                continue
            target = folder / file.name
            os.replace(arrived, target)
            return target
    raise DownloadError(
        f"{file.name} of {entry.name} could not be downloaded:\n"
        + "\n".join(failures)
        + f"\n{ways_out(entry)}"
    )


def ways_out(entry: Entry) -> str:
    """What to do without a network, as lines to end an error message with."""
    pictures = entry.name != "tinyshakespeare"
    builtin = "DrawnDigits(), drawn by code" if pictures else "Almanac(), a text of our own"
    builtin += ", but grey and 28x28" if entry.name.startswith("cifar") else ""
    names = ", ".join(file.name for file in entry.files)
    here = lacking(entry)
    return (
        "Three ways out:\n  - have the data already? "
        + (f"{here}: set it to" if here else "set TINYTORCH_DATA to")
        + f" the folder that holds {'them' if here else names}\n"
        f"  - copy them from another machine: tito data import {entry.name} PATH\n"
        f"  - use what is built in: tinytorch.datasets.{builtin}"
    )


def _download(address: str, target: Path, progress: Progress | None) -> None:
    import pooch  # type: ignore[import-untyped]  # here, for most sessions never download

    fetch = pooch.HTTPDownloader(
        progressbar=PoochBar(target.name, progress),
        chunk_size=1 << 16,
        timeout=TIMEOUT,
        # A server that recognises .gz as an encoding would have it unpacked on the way.
        headers={"Accept-Encoding": "identity"},
    )
    fetch(address, str(target), None)


def _reason(error: Exception, arrived: Path) -> str:
    """The error in one line, without the name of the temporary folder."""
    text = " ".join(str(error).split())
    text = text.replace(str(arrived), arrived.name)
    return f"{type(error).__name__}: {text[:300]}"
