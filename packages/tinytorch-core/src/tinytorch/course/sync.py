"""Keeps the cells of a notebook and the student's file together, definition by definition.

What was changed on one side only wins. What was changed on both is named, and nobody's is
overwritten without being asked; whatever is replaced goes to the attic. Which side changed is known
from digests of what both held when they were last together; without these (`.tito` may be deleted)
both are taken to have begun as the skeleton. Left out: running the definitions (`notebook.py`).
"""

from __future__ import annotations

import hashlib
import json
import textwrap
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinytorch.course.catalogue import Subject
from tinytorch.course.inserting import with_cell
from tinytorch.course.notebook_cells import Build, CellError, Cut, build_cells, cut
from tinytorch.course.notebook_made import cell_source, notebook_file
from tinytorch.course.skeleton import skeleton
from tinytorch.course.source import definitions, replace, text_of
from tinytorch.course.workspace import Workspace

SAME, CELL, FILE, BOTH = "same", "cell", "file", "both"  # where a definition was changed
NOTEBOOK = "notebook"


@dataclass(frozen=True)
class Synced:
    """What became of the definitions of a notebook.

    written    they went into the file
    newer      the file's were changed there, and stay
    conflicts  were changed on both sides, and stay as they are on both
    returned   they went from the file into the notebook
    kept       where the version that was replaced lies
    """

    written: tuple[str, ...] = ()
    newer: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    returned: tuple[str, ...] = ()
    kept: Path | None = None


def sync(workspace: Workspace, about: Subject, take: str = "") -> Synced:
    """Bring a saved notebook and the student's file together.

    take  "notebook" or "file": which side wins where both were changed; "file" also writes into
          the notebook what was changed in the file only

    Raises CellError for a cell that was changed and cannot be used; nothing is written then.
    """
    path = workspace.path(notebook_file(about))
    saved = path.stat().st_mtime_ns
    text = file_text(workspace, about)
    known = Known(workspace, about)
    written: list[str] = []
    left: dict[str, list[str]] = {FILE: [], BOTH: [], SAME: []}
    cells = build_cells(path, notebook_file(about))
    after = text
    for build in cells:
        # saved before its definitions last went into the file: there is nothing new in it
        if saved <= min((known.at(name) for name in build.names), default=0):
            left[FILE] += [n for n in build.names if known.file_changed(n, text)]
            continue
        found = cut(about, build)
        changed = {name: where(about, known, text, found, name) for name in found.everything}
        going = [
            n for n, side in changed.items() if side == CELL or (side, take) == (BOTH, NOTEBOOK)
        ]
        if going or found.imports:
            after = with_cell(about, after, found, going)
        written += going
        for name, code in found.everything.items():
            if name not in going:
                left[changed[name]].append(name)
            if name in going or changed[name] == SAME:
                known.set(name, digest(about, code, name), saved)
    kept = workspace.put(about.file, after) if after != text else None
    if take == "file" and left[FILE] + left[BOTH]:
        returned = left[FILE] + left[BOTH]
        kept = workspace.put(notebook_file(about), _with_file(path, cells, after, returned))
        for name in returned:
            known.set(name, digest(about, dedented(after, name), name), path.stat().st_mtime_ns)
        known.save()
        return Synced(tuple(written), returned=tuple(returned), kept=kept)
    known.save()
    return Synced(tuple(written), tuple(left[FILE]), tuple(left[BOTH]), kept=kept)


def changes(workspace: Workspace, about: Subject, found: Cut) -> dict[str, str]:
    """Say of each definition of a cell where it was changed: SAME, CELL, FILE or BOTH."""
    text, known = file_text(workspace, about), Known(workspace, about)
    return {name: where(about, known, text, found, name) for name in found.everything}


def build(
    workspace: Workspace, about: Subject, found: Cut, changed: Mapping[str, str]
) -> Path | None:
    """Put the definitions of a cell that is being run into the file; return what it was before.

    To run a cell is to decide for it: where both sides were changed, the cell's is taken. One that
    was changed in the file only stays as it is there.
    """
    text, known = file_text(workspace, about), Known(workspace, about)
    going = [name for name, side in changed.items() if side in (CELL, BOTH)]
    after = with_cell(about, text, found, going)
    kept = workspace.put(about.file, after) if after != text else None
    for name, side in changed.items():
        if side != FILE:
            known.set(name, digest(about, found.everything[name], name), time.time_ns())
    known.save()
    return kept


def file_text(workspace: Workspace, about: Subject) -> str:
    """The student's file, made if there is none. Raises CellError where it cannot be cut."""
    path = workspace.path(about.file)
    if not path.exists():
        workspace.put(about.file, skeleton(about))
    text = path.read_text("utf-8")
    try:
        definitions(text)
    except SyntaxError as error:
        raise CellError(
            f"{about.file} has a syntax error in line {error.lineno}, so nothing can be found in "
            f"it: mend that line there, or begin anew: tito reset {about.lesson.number}"
        ) from None
    return text


def where(about: Subject, known: Known, text: str, found: Cut, name: str) -> str:
    """On which side a definition was changed since both were the same."""
    cell = digest(about, found.everything[name], name)
    count = len(definitions(text).get(name, ()))
    if count > 1:
        raise CellError(f"{about.file} defines {name} {count} times: keep one of them")
    file = digest(about, dedented(text, name), name) if count else ""
    if cell == file:
        return SAME
    before = known.digest(name)
    if cell == before and count:
        return FILE
    return CELL if file in (before, "") else BOTH


def dedented(text: str, name: str) -> str:
    """A definition of a module's text as a cell holds it."""
    return textwrap.dedent(text_of(text, name))


def digest(about: Subject, code: str, name: str) -> str:
    """A digest of a definition: of a class without the methods that are exercises of their own."""
    for method in about.lesson.definitions:
        if method.startswith(f"{name}.") and len(definitions(code).get(method, ())) == 1:
            code = replace(code, method, "    pass")
    return hashlib.sha256(code.strip("\n").encode()).hexdigest()[:16]


class Known:
    """What the workspace knows of the definitions of one file: their digest when both sides were
    the same, and when that was, in nanoseconds since 1970.
    """

    def __init__(self, workspace: Workspace, about: Subject) -> None:
        self._workspace, self._about = workspace, about
        self._key = f"cells {about.file}"
        found = workspace.noted(self._key)
        self._entries: dict[str, Any] = dict(found) if isinstance(found, dict) else {}
        self._start = skeleton(about)

    def digest(self, name: str) -> str:
        """Of what both sides held last; "" for a helper of which nothing is known."""
        entry = self._entries.get(name)
        if isinstance(entry, list) and entry:
            return str(entry[0])
        if name not in definitions(self._start):
            return ""
        return digest(self._about, dedented(self._start, name), name)

    def at(self, name: str) -> int:
        """When both sides were the same last; 0 where that is not known."""
        entry = self._entries.get(name)
        return int(entry[1]) if isinstance(entry, list) and len(entry) == 2 else 0

    def file_changed(self, name: str, text: str) -> bool:
        there = len(definitions(text).get(name, ())) == 1
        return there and digest(self._about, dedented(text, name), name) != self.digest(name)

    def set(self, name: str, digest: str, at: int) -> None:
        self._entries[name] = [digest, at]

    def save(self) -> None:
        self._workspace.note(self._key, self._entries)


def _with_file(path: Path, cells: list[Build], text: str, names: list[str]) -> str:
    """The notebook with these definitions as the file has them; all else as it is."""
    notebook = json.loads(path.read_text("utf-8"))
    for build in cells:
        if any(name in names for name in build.names):
            source = cell_source(text, build.names)
            notebook["cells"][build.number - 1]["source"] = source.splitlines(keepends=True)
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"
