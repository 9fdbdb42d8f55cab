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
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinytorch.core.files import write_atomically
from tinytorch.course import overlay
from tinytorch.course.overlay import MARKER, WorkspaceError

HEADER = """\
# This folder is a TinyTorch workspace: `tito` works in here, and `import tinytorch` uses the files
# listed below instead of the installed ones. Safe to commit.
"""
GITIGNORE = ".tito/\n__pycache__/\n*.pyc\n.ipynb_checkpoints/\n"


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
        if not (root / ".gitignore").exists():
            write(root / ".gitignore", GITIGNORE)
        made._write_joined([])
        return made

    @classmethod
    def current(cls) -> Workspace:
        """Return the workspace in force. Raises WorkspaceError where there is none."""
        root = overlay.find()
        if root is None:
            raise WorkspaceError(
                f"there is no workspace here: no {MARKER} in {Path.cwd()} or above. "
                "Make one: tito init my-tinytorch"
            )
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
        with self.lock():
            if file not in self.joined:
                self._write_joined([*self.joined, file])

    def leave(self, file: str) -> None:
        """Let the installed module serve again; the file stays."""
        with self.lock():
            if file in self.joined:
                self._write_joined([f for f in self.joined if f != file])

    def _write_joined(self, files: list[str]) -> None:
        listed = "".join(f"    {json.dumps(file)},\n" for file in sorted(files))
        write(
            self.root / MARKER,
            f"{HEADER}joined = [\n{listed}]\n" if files else f"{HEADER}joined = []\n",
        )

    # The student's files
    def put(self, file: str, text: str) -> Path | None:
        """Write a file; what was there before goes to the attic. Returns its place there."""
        kept = self.keep(file)
        write(self.path(file), text)
        return kept

    def keep(self, file: str) -> Path | None:
        """Copy a file to the attic, unless the same text lies there already as its latest."""
        path = self.path(file)
        if not path.exists():
            return None
        text = path.read_text("utf-8")
        versions = self.versions(file)
        if versions and versions[-1].read_text("utf-8") == text:
            return versions[-1]
        stamp = time.strftime("%Y-%m-%d-%H%M%S")
        folder = self.root / ".tito" / "attic" / file
        count = len(versions)
        place = folder / f"{stamp}-{count:04d}.py"
        write(place, text)
        return place

    def versions(self, file: str) -> list[Path]:
        """Return the copies of a file in the attic, oldest first."""
        folder = self.root / ".tito" / "attic" / file
        return sorted(folder.glob("*.py"), key=lambda p: p.stem.rpartition("-")[2])

    def undo(self, file: str) -> Path:
        """Put the latest copy that differs back; the present text goes to the attic."""
        now = self.path(file).read_text("utf-8") if self.path(file).exists() else None
        for version in reversed(self.versions(file)):
            text = version.read_text("utf-8")
            if text != now:
                self.put(file, text)
                return version
        raise WorkspaceError(f"there is no earlier {file} in {self.root / '.tito' / 'attic'}")

    # What the last checks found
    def remember(self, file: str, result: dict[str, Any]) -> None:
        """Keep a result together with the file's hash."""
        with self.lock():
            state = self._state()
            state[file] = {"hash": self.hash(file), "result": result}
            write(self._state_file, json.dumps(state, indent=1) + "\n")

    def recall(self, file: str) -> dict[str, Any] | None:
        """Return the last result for a file, if the file is still the one it was found for."""
        entry = self._state().get(file)
        fresh = isinstance(entry, dict) and entry.get("hash") == self.hash(file)
        result = entry.get("result") if fresh and isinstance(entry, dict) else None
        return result if isinstance(result, dict) else None

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
        return state if isinstance(state, dict) else {}

    @contextmanager
    def lock(self, seconds: float = 10.0) -> Iterator[None]:
        """Let one process at a time read, change and write: two terminals corrupt nothing.

        The lock is a folder, which only one process can make. One that is older than `seconds`
        belonged to a process that was killed, and is taken over.
        """
        place = self.root / ".tito" / "lock"
        place.parent.mkdir(exist_ok=True)
        since = time.monotonic()
        while True:
            try:
                place.mkdir()
                break
            except FileExistsError:
                if time.monotonic() - since > seconds:
                    place.rmdir()
                time.sleep(0.01)
        try:
            yield
        finally:
            place.rmdir()


def write(path: Path, text: str) -> None:
    """Write a text file whole or not at all, and the folders it lies in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, text)
