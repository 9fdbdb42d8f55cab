"""Where data files lie on this machine: the user's own folder first, then the cache.

`TINYTORCH_DATA` names a folder that is only read. The cache is `tinytorch` in the platform's cache
folder, which is where `pooch.os_cache("tinytorch")` is too; `TINYTORCH_CACHE` names another. Left
out: whether a file is what it should be (the readers know), and the network (download.py).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tinytorch.datasets.catalogue import DataFile, Entry
from tinytorch.datasets.errors import DatasetMissingError

Where = Literal["local", "cached"]


@dataclass(frozen=True)
class Found:
    """A file that is there, and in which of the two places."""

    path: Path
    where: Where


def data_folder() -> Path | None:
    """The folder named by TINYTORCH_DATA, or None where the variable is unset or empty.

    Raises DatasetMissingError where it names no folder: a misspelt path should not lead to a
    download, or to drawn data, unnoticed.
    """
    named = os.environ.get("TINYTORCH_DATA", "")
    if not named:
        return None
    folder = Path(named).expanduser()
    if not folder.is_dir():
        raise DatasetMissingError(
            f"TINYTORCH_DATA names {folder}, which is not a folder: correct it, or unset it"
        )
    return folder


def cache_folder() -> Path:
    """The folder for downloads and unpacked arrays; it need not exist yet."""
    named = os.environ.get("TINYTORCH_CACHE", "")
    if named:
        return Path(named).expanduser()
    from platformdirs import user_cache_dir  # comes with pooch, and is what pooch itself asks

    return Path(user_cache_dir("tinytorch"))


def find(entry: Entry, file: DataFile) -> Found | None:
    """Where `file` lies, or None. TINYTORCH_DATA first, then the cache; nothing is opened."""
    root = data_folder()
    local = None if root is None else _local(root, entry, file)
    if local is not None:
        return Found(local, "local")
    for name in file.names:
        cached = cache_folder() / entry.name / name
        if cached.is_file():
            return Found(cached, "cached")
    return None


def lacking(entry: Entry) -> str:
    """What the folder named by TINYTORCH_DATA lacks of `entry`, and where it was looked for.

    "" where it lacks nothing, or the variable is unset.
    """
    root = data_folder()
    if root is None:
        return ""
    missing = [file.name for file in entry.files if _local(root, entry, file) is None]
    if not missing:
        return ""
    places = [str(folder.relative_to(root)) for folder in _local_folders(root, entry)]
    listed = ", ".join("the folder itself" if place == "." else place for place in places)
    count = "all" if len(missing) == len(entry.files) else f"{len(missing)} of"
    return (
        f"TINYTORCH_DATA is {root}, which lacks {count} {len(entry.files)} files of {entry.name}: "
        f"{', '.join(missing)} (looked for in {listed})"
    )


def _local(root: Path, entry: Entry, file: DataFile) -> Path | None:
    for folder in _local_folders(root, entry):
        for name in file.names:
            if (folder / name).is_file():
                return folder / name
    return None


def _local_folders(root: Path, entry: Entry) -> list[Path]:
    folders = [root / folder for folder in entry.folders]
    # MNIST's and Fashion-MNIST's files have the same names. Lying directly in the folder they are
    # taken for MNIST's, unless the folder itself is called after the other.
    fashion = "fashion" in root.resolve().name.lower()
    if entry.name == "fashion-mnist" and fashion:
        folders.append(root)
    if entry.name == "mnist" and fashion:
        folders.remove(root / ".")
    return folders
