"""A folder that is written whole or not at all, and in which nothing of the user's is lost.

A new folder appears at once. An old bundle is brought up to date in place: only files that its
MANIFEST.json lists are replaced, everything else stays where it is. What was changed since is
refused, or kept beside the new file as NAME.bak. Any other folder is refused, whatever is asked.

Left out: what is in it (`contents.py`).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

FORMAT = "tinytorch-bundle-1"
MANIFEST = "MANIFEST.json"
OWN = (MANIFEST, "README.md")


def refuse_to_replace(target: Path, force: bool, names: Collection[str] = ()) -> None:
    """Raise FileExistsError for a folder that is no bundle; unless forced, for changed files.

    names  of files that are going to be written, which may be the user's
    """
    if not os.path.lexists(target):
        return
    around = {Path.home(), Path.cwd()}
    around |= {Path(os.path.realpath(path)) for path in around}
    if any(target in (path, *path.parents) for path in around):
        raise FileExistsError(
            f"{target} is your home folder, the folder you are in, or one around it: "
            "name a folder of its own"
        )
    if not target.is_dir():
        raise FileExistsError(f"{target} is a file: name a folder")
    if not (target / MANIFEST).is_file() and {p.name for p in target.iterdir()} <= {"__pycache__"}:
        return
    if manifest_in(target) is None:
        raise FileExistsError(
            f"{target} is there and is no bundle, so nothing in it is touched: name another folder"
        )
    if (mine := changed(target, names)) and not force:
        raise FileExistsError(
            f"{target}: {', '.join(mine)} changed since the bundle was written. force=True writes "
            f"new ones and keeps these, as {mine[0]}.bak; or name another folder"
        )


def manifest_in(target: Path) -> dict[str, Any] | None:
    """The manifest of a bundle, or None for a folder that is none."""
    try:
        manifest = json.loads((target / MANIFEST).read_text("utf-8"))
        sums = [facts["sha256"] for facts in manifest["files"].values()]
        names = [Path(name).name == name for name in manifest["files"]]
        sound = manifest["format"] == FORMAT and all(names) and None not in sums
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return manifest if sound else None


def changed(target: Path, names: Collection[str]) -> list[str]:
    """The files of a folder that a new bundle replaces and that are not as the old one wrote them.

    names  of files that are going to be written, besides those of the old bundle
    """
    listed = (manifest_in(target) or {"files": {}})["files"]
    found = []
    for name in sorted({*listed, *names} - {MANIFEST}):
        path = target / name
        if not os.path.lexists(path):
            continue
        as_written = name in listed and path.is_file() and not path.is_symlink()
        if as_written:
            sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
            as_written = sha256 == listed[name]["sha256"]
        if not as_written:
            found.append(name)
    return found + [MANIFEST] * manifest_was_edited(target)


def manifest_was_edited(target: Path) -> bool:
    """Whether a manifest differs from how it was written; its own checksum is of all the rest."""
    manifest = manifest_in(target)
    if manifest is None or "sha256" not in manifest:  # none, or of an earlier version
        return False
    rest = {key: value for key, value in manifest.items() if key != "sha256"}
    as_written = (target / MANIFEST).read_bytes() == as_json(manifest)
    return not as_written or sha256_of(rest) != manifest["sha256"]


def sha256_of(manifest: Mapping[str, Any]) -> str:
    """The checksum of a manifest that does not hold it yet."""
    return hashlib.sha256(as_json(manifest)).hexdigest()


def as_json(value: Any) -> bytes:
    """JSON as people read it."""
    return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()


def write_folder(
    target: Path, contents: Mapping[str, bytes], force: bool = False
) -> dict[str, str]:
    """Write all files, or none; return what changed files are called now: {"a.py": "a.py.bak"}.

    Looks once more whether it may: since it was asked first, a file may have been edited. Raises
    FileExistsError as `refuse_to_replace`.
    """
    refuse_to_replace(target, force, contents)
    if target.is_dir():
        return update(target, contents)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.{secrets.token_hex(4)}.partial")
    partial.mkdir()
    try:
        for name, content in contents.items():
            (partial / name).write_bytes(content)
        os.rename(partial, target)  # fails where something came to be there meanwhile
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return {}


def update(target: Path, contents: Mapping[str, bytes]) -> dict[str, str]:
    """Replace the files of a bundle by renaming; if that fails, take every step back."""
    listed = (manifest_in(target) or {"files": {}})["files"]
    work = target / f".{secrets.token_hex(4)}.partial"
    new, old = work / "new", work / "old"
    kept: dict[str, str] = {}
    steps: list[tuple[Path, Path]] = []

    def move(source: Path, place: Path) -> None:
        os.replace(source, place)
        steps.append((source, place))

    try:
        for folder in (work, new, old):
            folder.mkdir()
        for name, content in contents.items():
            (new / name).write_bytes(content)
        for name in changed(target, contents):
            kept[name] = free_name(target, name)
            move(target / name, target / kept[name])
        for name in sorted({MANIFEST, *listed}):
            if os.path.lexists(target / name):
                move(target / name, old / name)
        for name in contents:
            move(new / name, target / name)
    except BaseException:
        for source, place in reversed(steps):
            os.replace(place, source)
        shutil.rmtree(new, ignore_errors=True)
        with contextlib.suppress(OSError):  # empty by now; never deleted with something in it
            old.rmdir()
            work.rmdir()
        raise
    shutil.rmtree(work)  # here lie files that we wrote, as we wrote them
    return kept


def free_name(target: Path, name: str) -> str:
    """NAME.bak, or the first of NAME.bak2, NAME.bak3, ... that is not there."""
    number, found = 1, f"{name}.bak"
    while os.path.lexists(target / found):
        number += 1
        found = f"{name}.bak{number}"
    return found
