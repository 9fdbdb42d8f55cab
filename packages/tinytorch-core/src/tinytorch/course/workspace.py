"""A workspace: the student's folder, and everything that changes it.

    tinytorch.toml     marks the folder; lists the files that have joined. Safe to commit
    core/tensor.py     the student's own modules
    .tito/attic/       every file that was replaced, so that nothing is ever lost
    .tito/state.json   what the last checks found, by file hash; may be deleted at any time

Every file is written whole or not at all, and what is replaced goes to the attic first. Left out:
importing the student's modules (`overlay.py`), running checks (`runner.py`), showing anything.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinytorch._version import __version__
from tinytorch.core.files import write_atomically
from tinytorch.course import overlay
from tinytorch.course.locking import locked
from tinytorch.course.marker import HEADER, with_list
from tinytorch.course.overlay import MARKER, WorkspaceError

GITIGNORE = (".tito/", "__pycache__/", "*.pyc", ".ipynb_checkpoints/", ".venv/")


@dataclass(frozen=True)
class Workspace:
    """The workspace in `root`. Make one with `create`, find the one in force with `current`."""

    root: Path

    @classmethod
    def create(cls, root: Path) -> Workspace:
        """Make a workspace in a folder that has none. Raises WorkspaceError."""
        if root.name == "tinytorch":
            raise WorkspaceError(
                f"{root}: a workspace must not be called tinytorch, or `import tinytorch` in the "
                "folder above would import it instead of the framework; my-tinytorch?"
            )
        if (root / MARKER).exists():
            raise WorkspaceError(f"{root} is a workspace already: go there and type tito")
        outer = overlay.find(root.parent if root.parent.exists() else Path.cwd())
        if outer is not None:
            raise WorkspaceError(f"{root} would lie inside of another workspace, {outer}")
        root.mkdir(parents=True, exist_ok=True)
        made = cls(root.resolve())
        made._write_gitignore()
        write(root / MARKER, with_list(HEADER, "joined", []))
        return made

    def _write_gitignore(self) -> None:
        """Add what should not be committed to a .gitignore that may be there already."""
        place = self.root / ".gitignore"
        text = place.read_text("utf-8") if place.exists() else ""
        gap = "" if not text or text.endswith("\n") else "\n"
        missing = [line for line in GITIGNORE if line not in text.splitlines()]
        if missing:
            write(place, text + gap + "".join(f"{line}\n" for line in missing))

    @classmethod
    def current(cls) -> Workspace:
        """Return the workspace in force. Raises WorkspaceError where there is none."""
        root = overlay.find()
        if root is None:
            raise WorkspaceError(_none_here())
        reason = overlay.unsafe(root)
        if reason:
            raise WorkspaceError(f"{reason}. If that is as it should be: tito trust {root}")
        return cls(root)

    def path(self, file: str) -> Path:
        """Return where "core/tensor.py" lies."""
        return self.root / file

    @property
    def joined(self) -> list[str]:
        """The files that stand in for installed modules."""
        return overlay.joined(self.root)

    def join(self, file: str) -> None:
        """Let a file stand in for the installed module from now on."""
        self._change("joined", lambda files: files if file in files else sorted([*files, file]))

    def leave(self, file: str) -> None:
        """Let the installed module serve again; the file stays."""
        self._change("joined", lambda files: [f for f in files if f != file])

    @property
    def revealed(self) -> list[str]:
        """The exercises whose solution was shown before they passed: "06 unbroadcast"."""
        return [str(entry) for entry in overlay.marked(self.root).get("revealed", [])]

    def reveal(self, exercise: str) -> None:
        """Record that a solution was shown."""
        self._change("revealed", lambda seen: seen if exercise in seen else [*seen, exercise])

    def _change(self, key: str, change: Callable[[list[str]], list[str]]) -> None:
        with self.lock():
            values = self.joined if key == "joined" else self.revealed
            changed = change(values)
            if changed != values:
                place = self.root / MARKER
                write(place, with_list(place.read_text("utf-8"), key, changed))

    # The student's files
    def put(self, file: str, text: str | bytes) -> Path | None:
        """Write a file; what was there before goes to the attic. Returns its place there."""
        with self.lock():
            kept = self._keep(file)
            write(self.path(file), text)
        return kept

    def keep(self, file: str) -> Path | None:
        """Copy a file to the attic, unless the same lies there already as its latest."""
        with self.lock():
            return self._keep(file)

    def _keep(self, file: str) -> Path | None:
        path = self.path(file)
        if not path.exists():
            return None
        content = path.read_bytes()  # whatever it is: a file that is no text is not lost either
        versions = self.versions(file)
        if versions and versions[-1].read_bytes() == content:
            return versions[-1]
        count = int(versions[-1].stem.rpartition("-")[2]) + 1 if versions else 1
        stamp = time.strftime("%Y-%m-%d-%H%M%S")
        place = self.attic(file) / f"{stamp}-{count:04d}{path.suffix}"
        write(place, content)
        return place

    def attic(self, file: str) -> Path:
        """The folder in which the earlier versions of a file lie."""
        return self.root / ".tito" / "attic" / file

    def versions(self, file: str) -> list[Path]:
        """Return the copies of a file in the attic, oldest first."""
        found = self.attic(file).glob(f"*-[0-9][0-9][0-9][0-9]{Path(file).suffix}")
        return sorted(found, key=lambda p: p.stem.rpartition("-")[2])

    # What the last checks found
    def remember(
        self, file: str, result: dict[str, Any], digest: str, others: dict[str, str] | None = None
    ) -> None:
        """Keep a result together with the hash that the file had when it was checked.

        others  hashes of the student's other files that were at work
        """
        with self.lock():
            state = self._state()
            results = state.setdefault("results", {})
            entry: dict[str, Any] = {"hash": digest, "version": __version__, "result": result}
            if others:
                entry["others"] = others
            last = results.get(file)
            if result.get("error") and isinstance(last, dict):  # nothing ran, so points are not new
                entry["before"] = last.get("before") or last.get("result")
            else:
                state.get("parts", {}).pop(file, None)
            results[file] = entry
            self._write_state(state)

    def remember_part(self, file: str, exercise: str, result: dict[str, Any]) -> None:
        """Keep what the checks of one exercise found, for a file that cannot be imported later."""
        with self.lock():
            state = self._state()
            state.setdefault("parts", {}).setdefault(file, {})[exercise] = result
            self._write_state(state)

    def recall(self, file: str, digest: str | None = None) -> dict[str, Any] | None:
        """Return the last result, if it was found for this file and by these checks.

        digest  of what the result is about, where that is not one file
        """
        entry = self._entry(file)
        if entry.get("version") != __version__:
            return None
        result = entry.get("result")
        fresh = entry.get("hash") == (self.hash(file) if digest is None else digest)
        return result if fresh and isinstance(result, dict) else None

    def recall_others(self, file: str) -> dict[str, str]:
        """Return the other files that the last result was found with, and their hashes."""
        others = self._entry(file).get("others")
        return others if isinstance(others, dict) else {}

    def recall_before(self, file: str) -> dict[str, Any] | None:
        """Return the last result of a file that could be imported, where the last one of all could
        not; with what the checks of single exercises have found since."""
        before = self._entry(file).get("before")
        whole = before if isinstance(before, dict) and not before.get("error") else None
        parts = self._state().get("parts", {}).get(file, {})
        if not parts:
            return whole
        earlier = [c for c in (whole or {}).get("checks", []) if c.get("exercise") not in parts]
        later = [check for part in parts.values() for check in part.get("checks", [])]
        return {**next(iter(parts.values())), "checks": [*earlier, *later]}

    def _entry(self, file: str) -> dict[str, Any]:
        entry = self._state().get("results", {}).get(file)
        return entry if isinstance(entry, dict) else {}

    def note(self, key: str, value: Any) -> None:
        """Keep a convenience that may be forgotten: where one was, which hints were seen."""
        with self.lock():
            state = self._state()
            if state.get(key) != value:
                state[key] = value
                self._write_state(state)

    def noted(self, key: str) -> Any:
        """Return what `note` kept, or None."""
        return self._state().get(key)

    def hash(self, file: str) -> str:
        """A digest of a file's bytes, "" where there is none."""
        path = self.path(file)
        return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else ""

    @property
    def _state_file(self) -> Path:
        return self.root / ".tito" / "state.json"

    def _state(self) -> dict[str, Any]:
        try:
            state = json.loads(self._state_file.read_text("utf-8"))
        except (OSError, ValueError):  # deleted, or damaged: it can be found out again
            return {}
        sound = isinstance(state, dict) and isinstance(state.get("results", {}), dict)
        return state if sound else {}

    def _write_state(self, state: dict[str, Any]) -> None:
        write(self._state_file, json.dumps(state, indent=1) + "\n")

    def lock(self, seconds: float = 10.0) -> AbstractContextManager[None]:
        """Let one process at a time read, change and write: two terminals corrupt nothing."""
        return locked(self.root / ".tito" / "lock", seconds)


def _none_here() -> str:
    """Why no workspace is in force, and the way to one."""
    value = os.environ.get(overlay.WORKSPACE)
    if value is not None:
        return f"{overlay.WORKSPACE} is {value!r}, so no workspace is used; unset it"
    here = overlay.find(Path.cwd())
    if here is not None:
        return (
            f"python -P and PYTHONSAFEPATH promise to run nothing from the current folder, so the "
            f"workspace {here} is not used. To use it all the same: set {overlay.WORKSPACE} to it"
        )
    return (
        f"there is no workspace here: no {MARKER} in {Path.cwd()} or above. "
        "Make one: tito init my-tinytorch"
    )


def write(path: Path, content: str | bytes) -> None:
    """Write a file whole or not at all, and the folders it lies in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, content)
