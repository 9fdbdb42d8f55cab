"""A folder that appears whole or not at all, and that replaces nothing but a bundle.

Left out: what is in it (`contents.py`).
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path

FORMAT = "tinytorch-bundle-1"
OWN = ("MANIFEST.json", "README.md")


def refuse_to_replace(target: Path, force: bool) -> None:
    """Raise FileExistsError for a folder that holds anything but a bundle's own files."""
    if not target.exists() or force:
        return
    if not target.is_dir():
        raise FileExistsError(f"{target} is a file: name a folder")
    found = {path.name for path in target.iterdir()} - {"__pycache__"}
    if not found:
        return
    try:
        manifest = json.loads((target / "MANIFEST.json").read_text("utf-8"))
        ours = {*manifest["files"], *OWN} if manifest["format"] == FORMAT else set()
    except (OSError, ValueError, KeyError, TypeError):
        ours = set()
    if not ours:
        raise FileExistsError(f"{target} is there and is no bundle: name another, or force=True")
    if found - ours:
        added = ", ".join(sorted(found - ours))
        raise FileExistsError(f"{target} holds files of yours ({added}): name another folder")


def write_folder(target: Path, contents: Mapping[str, bytes]) -> None:
    """Write all files into a folder beside the target, and rename it to it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    token = secrets.token_hex(4)
    partial = target.with_name(f".{target.name}.{token}.partial")
    old = target.with_name(f".{target.name}.{token}.old")
    partial.mkdir()
    try:
        for name, content in contents.items():
            (partial / name).write_bytes(content)
        if target.exists():
            os.replace(target, old)
        try:
            os.replace(partial, target)
        except BaseException:
            if old.exists():
                os.replace(old, target)
            raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        if target.exists() and old.exists():
            shutil.rmtree(old) if old.is_dir() else old.unlink()
