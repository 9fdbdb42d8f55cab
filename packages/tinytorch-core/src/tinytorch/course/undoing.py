"""Walks through the versions of a file that the attic holds: back, and forward again.

Each step back finds an older version, as an editor does, until the oldest; a file that was edited
by hand in between is kept first, so nothing is lost. Where one is, is a note in `.tito/state.json`:
without it the walk begins again at the newest. Left out: who puts files there (`workspace.py`).
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path

from tinytorch.course.overlay import WorkspaceError
from tinytorch.course.workspace import Workspace, write


@dataclass(frozen=True)
class Step:
    """One step of the walk.

    version  the copy whose content the file has now
    number   which of `count` versions that is, from the oldest, 1
    changed  how many lines differ from what the file held until now; None for what is no text
    """

    version: Path
    number: int
    count: int
    changed: int | None

    @property
    def kept_on(self) -> str:
        """When that version was kept: "2026-11-21 12:04:03"."""
        day, clock = self.version.stem[:10], self.version.stem[11:17]
        return f"{day} {clock[:2]}:{clock[2:4]}:{clock[4:6]}"


def walk(workspace: Workspace, file: str, *, forward: bool = False) -> Step:
    """Put the next older version of a file in its place, or the next newer one.

    Raises WorkspaceError where there is none.
    """
    path = workspace.path(file)
    now = path.read_bytes() if path.exists() else None
    versions = workspace.versions(file)
    at = _here(workspace, file, versions)
    if now is not None and all(version.read_bytes() != now for version in versions):
        workspace.keep(file)
    newest = len(versions) if at is None else at
    waiting = versions[newest:] if forward else versions[:newest][::-1]
    chosen = next((v for v in waiting if v.read_bytes() != now), None)
    every = workspace.versions(file)
    if chosen is None:
        raise WorkspaceError(_nowhere(workspace, file, len(every), forward))
    content = chosen.read_bytes()
    with workspace.lock():
        write(path, content)
    number = every.index(chosen) + 1
    noted = workspace.noted("undo")
    places = noted if isinstance(noted, dict) else {}
    workspace.note("undo", {**places, file: {"at": number, "of": len(every)}})
    return Step(chosen, number, len(every), _changed(now, content))


def _here(workspace: Workspace, file: str, versions: list[Path]) -> int | None:
    """The number of the version that the last step put there, if nothing was kept since."""
    noted = workspace.noted("undo")
    place = noted.get(file) if isinstance(noted, dict) else None
    if not isinstance(place, dict) or place.get("of") != len(versions):
        return None
    at = place.get("at")
    return at if isinstance(at, int) and 0 < at <= len(versions) else None


def _nowhere(workspace: Workspace, file: str, count: int, forward: bool) -> str:
    where = workspace.attic(file)
    if forward:
        return f"there is no later {file}: nothing was undone, or all of that was taken back"
    if count:
        return f"there is no earlier {file}. All {count} that were kept lie in {where}"
    return f"there is no earlier {file} in {where}"


def _changed(before: bytes | None, after: bytes) -> int | None:
    try:
        old, new = ((text or b"").decode("utf-8").splitlines() for text in (before, after))
    except UnicodeDecodeError:
        return None
    blocks = difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    return sum(max(b - a, d - c) for tag, a, b, c, d in blocks if tag != "equal")
