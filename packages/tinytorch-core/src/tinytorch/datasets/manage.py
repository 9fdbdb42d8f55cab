"""All data sets at once: what there is and where, fetching, importing, verifying.

What `tito data` shows is made here, as plain dataclasses; nothing is printed. Left out: loading a
data set for use (MNIST(), CIFAR10(), ...).
"""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tinytorch.datasets import catalogue, cifar, mnist, text
from tinytorch.datasets.catalogue import DataFile, Entry
from tinytorch.datasets.download import Check, fetch_file
from tinytorch.datasets.errors import DatasetCorruptError, DatasetMissingError
from tinytorch.datasets.folders import Where, cache_folder, find
from tinytorch.datasets.progress import Progress

CHECKS: dict[str, Check] = {
    catalogue.MNIST.name: mnist.DIGITS.check,
    catalogue.FASHION_MNIST.name: mnist.FASHION.check,
    catalogue.CIFAR_10.name: cifar.ARCHIVE.check,
    catalogue.TINY_SHAKESPEARE.name: text.check,
}

BUILT_IN = {
    "drawn-digits": "DrawnDigits: ten digits drawn by code from a seed, 28x28",
    "blobs": "Blobs: two clouds of points that a line separates",
    "xor": "XOR and NoisyXOR: points that no line separates",
    "almanac": "Almanac: a year in a harbour town, a short text",
}


@dataclass(frozen=True)
class DatasetStatus:
    """One line of `tito data list`. `size` is bytes to download, 0 for what is built in."""

    name: str
    title: str
    size: int
    licence: str
    source: str
    where: Literal["built in", "local", "cached", "absent"]
    paths: tuple[Path, ...] = ()
    missing: tuple[str, ...] = ()


@dataclass(frozen=True)
class FileReport:
    """What verifying, fetching or importing one file came to."""

    name: str
    path: Path | None
    ok: bool
    message: str


@dataclass(frozen=True)
class Verification:
    """What verifying a data set came to, file by file."""

    name: str
    files: tuple[FileReport, ...]

    @property
    def ok(self) -> bool:
        """Whether every file is there and right."""
        return all(file.ok for file in self.files)


def registry() -> tuple[DatasetStatus, ...]:
    """Every data set: the published ones with where they were found, then the built-in ones."""
    built_in = (
        DatasetStatus(name, title, 0, "MIT", "this package", "built in")
        for name, title in BUILT_IN.items()
    )
    return (*(locate(entry.name) for entry in catalogue.ENTRIES), *built_in)


def locate(name: str) -> DatasetStatus:
    """Where a data set's files lie; nothing is opened. Raises KeyError for an unknown name."""
    key = _key(name)
    if key in BUILT_IN:
        return DatasetStatus(key, BUILT_IN[key], 0, "MIT", "this package", "built in")
    entry = _entry(name)
    places = [(file, find(entry, file)) for file in entry.files]
    found = [place for _, place in places if place is not None]
    missing = tuple(file.name for file, place in places if place is None)
    where: Where | Literal["absent"] = "absent"
    if not missing:
        where = "local" if all(place.where == "local" for place in found) else "cached"
    return DatasetStatus(
        entry.name,
        entry.title,
        entry.size,
        entry.licence,
        entry.source,
        where,
        tuple(place.path for place in found),
        missing,
    )


def available(name: str) -> bool:
    """Whether a data set can be loaded without the network: built in, or all its files are there.

    Files are not read, so a damaged one is only refused when it is loaded.
    """
    return locate(name).where != "absent"


def verify(name: str) -> Verification:
    """Read every file of a data set and compare it with what it must be; a bad one is reported."""
    key = _key(name)
    if key in BUILT_IN:
        return Verification(key, (FileReport(key, None, True, "built in, nothing to verify"),))
    entry = _entry(name)
    return Verification(entry.name, tuple(_verify_file(entry, file) for file in entry.files))


def fetch(name: str, progress: Progress | None = None) -> Verification:
    """Make a data set available: download what is absent, and what the cache holds in a bad state.

    Files in TINYTORCH_DATA are the user's and are never replaced. Raises DownloadError, and
    DatasetCorruptError where a file in TINYTORCH_DATA is bad.
    """
    key = _key(name)
    if key in BUILT_IN:
        return verify(name)
    entry = _entry(name)
    return Verification(
        entry.name, tuple(_fetch_file(entry, file, progress) for file in entry.files)
    )


def import_file(name: str, path: str | os.PathLike[str]) -> Verification:
    """Copy a user's file, or all files in a user's folder, into the cache, once they are validated.

    A data set of several files tells them by name; of one file, that file may have any name.
    Returns a report of the files copied. Raises DatasetMissingError where there is nothing to copy
    and DatasetCorruptError, before anything is copied, where one is bad.
    """
    entry = _entry(name)
    check = CHECKS[entry.name]
    chosen = _choose(entry, Path(path).expanduser())
    messages = [check(file, source) for file, source in chosen]
    reports = []
    for (file, source), message in zip(chosen, messages, strict=True):
        target = cache_folder() / entry.name / _cached_name(file, source)
        _copy_atomically(source, target)
        for other in file.names:  # an older copy under another name must not be found first
            if other != target.name:
                (target.parent / other).unlink(missing_ok=True)
        reports.append(FileReport(file.name, target, True, f"copied; {message}"))
    return Verification(entry.name, tuple(reports))


def _key(name: str) -> str:
    return name.lower().replace("_", "-").replace(" ", "-")


def _entry(name: str) -> Entry:
    wanted = _key(name).replace("-", "")
    for entry in catalogue.ENTRIES:
        if wanted == entry.name.replace("-", ""):
            return entry
    known = ", ".join([*(entry.name for entry in catalogue.ENTRIES), *BUILT_IN])
    raise KeyError(f"no data set is called {name!r}; there are {known}")


def _verify_file(entry: Entry, file: DataFile) -> FileReport:
    found = find(entry, file)
    if found is None:
        return FileReport(file.name, None, False, "absent")
    try:
        message = CHECKS[entry.name](file, found.path)
    except (DatasetCorruptError, OSError) as error:
        return FileReport(file.name, found.path, False, str(error))
    return FileReport(file.name, found.path, True, message)


def _fetch_file(entry: Entry, file: DataFile, progress: Progress | None) -> FileReport:
    check = CHECKS[entry.name]
    found = find(entry, file)
    if found is not None:
        try:
            return FileReport(file.name, found.path, True, check(file, found.path))
        except DatasetCorruptError:
            if found.where == "local":
                raise
    path = fetch_file(entry, file, check, progress)
    if found is not None and found.path != path:
        found.path.unlink(missing_ok=True)  # the bad one, under another of the file's names
    return FileReport(file.name, path, True, "downloaded")


def _choose(entry: Entry, path: Path) -> list[tuple[DataFile, Path]]:
    if path.is_file():
        named = [file for file in entry.files if path.name in file.names]
        if not named and len(entry.files) == 1:
            named = [entry.files[0]]
        if not named:
            raise DatasetMissingError(
                f"{path.name} is none of {entry.name}'s files: rename it to one of "
                f"{', '.join(file.name for file in entry.files)}"
            )
        return [(named[0], path)]
    if not path.is_dir():
        raise DatasetMissingError(f"{path} is neither a file nor a folder")
    chosen = []
    for file in entry.files:
        places = [path / folder / name for folder in (".", *entry.folders) for name in file.names]
        present = [place for place in places if place.is_file()]
        if present:
            chosen.append((file, present[0]))
    if not chosen:
        raise DatasetMissingError(
            f"{path} holds none of {entry.name}'s files: "
            f"{', '.join(file.name for file in entry.files)}"
        )
    return chosen


def _cached_name(file: DataFile, source: Path) -> str:
    """The name to keep a copy under: one that its readers, and a person, are not misled by."""
    if source.name in file.names:
        return source.name
    with open(source, "rb") as stream:
        xz = stream.read(6) == b"\xfd7zXZ\x00"
    return file.name.replace(".tar.gz", ".tar.xz") if xz else file.name


def _copy_atomically(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, scratch = tempfile.mkstemp(prefix=f".{target.name}-", dir=target.parent)
    os.close(handle)
    try:
        shutil.copyfile(source, scratch)
        os.replace(scratch, target)
    except BaseException:
        Path(scratch).unlink(missing_ok=True)
        raise
