"""Lets modules in a student's workspace stand in for the installed ones, by an ordinary import.

A finder in front of Python's own answers for exactly the modules that have joined (listed in the
workspace's `tinytorch.toml`) and those being built (named in an environment variable while their
checks run). Everything else, and everything that installed modules import, is found as always.
Left out: making a workspace and changing what it holds (`workspace.py`).

It runs at `import tinytorch`, so it imports little, and does nothing outside of a workspace.
"""

from __future__ import annotations

import os
import sys
import tomllib
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

MARKER = "tinytorch.toml"
WORKSPACE = "TINYTORCH_WORKSPACE"  # a folder, or "off"
BUILDING = "TINYTORCH_BUILDING"  # files, as in tinytorch.toml, separated by commas
WITH = "TINYTORCH_WITH"  # "reference": what has joined is left out, what is being built is not
NOTEBOOK = "TINYTORCH_NOTEBOOK"  # set for commands of a running notebook, which syncs itself
OFF = {"", "0", "off", "none"}


class WorkspaceError(RuntimeError):
    """A workspace that cannot be used, with the reason and the way out."""


def find(start: Path | None = None) -> Path | None:
    """Return the folder of the workspace in force, or None.

    TINYTORCH_WORKSPACE decides where it is set. Else the nearest folder with a `tinytorch.toml`,
    from the current one upwards, as far as the first git repository; not under `python -I` or -P,
    which promise to run nothing from the current folder.
    """
    value = os.environ.get(WORKSPACE)
    if value is not None:
        if value.strip().lower() in OFF:
            return None
        path = Path(value).expanduser().resolve()
        if not (path / MARKER).is_file():
            raise WorkspaceError(f"{WORKSPACE} is {value!r}, but there is no {MARKER} in it")
        return path
    if start is None and not current_folder_counts():
        return None
    try:
        here = (start or Path.cwd()).resolve()
    except OSError:  # the current folder is gone
        return None
    for folder in (here, *here.parents):
        if (folder / MARKER).is_file():
            return folder
        if (folder / ".git").exists():
            return None
    return None


def current_folder_counts() -> bool:
    """Whether this Python may run what lies in the current folder: not under -I or -P."""
    return not (sys.flags.isolated or sys.flags.safe_path)


def unsafe(root: Path) -> str:
    """Say why the files of a workspace should not be run without asking, or "" if they may be.

    A folder that TINYTORCH_WORKSPACE names, or that `tito trust` approved, is safe.
    """
    if os.environ.get(WORKSPACE) or str(root) in trusted():
        return ""
    return exposed(root)


def exposed(root: Path) -> str:
    """Say how others could change what runs in a workspace, or "" if only its owner can."""
    if not hasattr(os, "getuid"):
        return ""
    for path in (root, root / MARKER):
        status = path.stat()
        if status.st_uid != os.getuid():
            return f"{path} belongs to another user"
        if status.st_mode & 0o002:
            return f"{path} can be changed by every user of this machine"
    return ""


def trust_file() -> Path:
    """Where `tito trust` keeps the folders that it was told to trust."""
    base = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(base).expanduser() / "tinytorch" / "trusted"


def trusted() -> list[str]:
    """The folders that the user trusts though others may write there."""
    try:
        return trust_file().read_text("utf-8").splitlines()
    except OSError:
        return []


def marked(root: Path) -> dict[str, Any]:
    """Return what the workspace's marker says. Raises WorkspaceError where it cannot be read."""
    try:
        return tomllib.loads((root / MARKER).read_text("utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise WorkspaceError(f"{root / MARKER} cannot be read: {error}. Mend it by hand?") from None


def joined(root: Path) -> list[str]:
    """Return the files that take part, as the workspace's marker lists them: "core/tensor.py"."""
    files = marked(root).get("joined", [])
    if not isinstance(files, list) or not all(isinstance(f, str) for f in files):
        raise WorkspaceError(f"{root / MARKER}: joined must be a list of files")
    return files


def module_name(file: str) -> str:
    """Return "tinytorch.core.tensor" for "core/tensor.py"."""
    return "tinytorch." + file.removesuffix(".py").replace("/", ".")


class _Loader(SourceFileLoader):
    is_workspace = True

    def get_code(self, fullname: str) -> CodeType:
        """Compile the source as it is now: bytecode could be older than an edit a second ago."""
        path = self.get_filename(fullname)
        try:
            return self.source_to_code(self.get_data(path), path)
        except SyntaxError as error:
            error.add_note(
                f"This file is yours. Mend that line; or set {WORKSPACE}=off, and the installed "
                "module serves."
            )
            self.error = error.with_traceback(None)
            # raised from there, it comes without the frames of the import system
            return compile("raise __loader__.error", f"<import of {fullname}>", "exec")


class Overlay:
    """The finder: from module names to the student's files."""

    def __init__(self, root: Path, files: Sequence[str]) -> None:
        self.root = root
        self.files = {module_name(file): root / file for file in files}

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        file = self.files.get(name)
        if file is None:
            return None
        return spec_from_file_location(name, file, loader=_Loader(name, str(file)))


class Refusal:
    """Stands in for the finder of a workspace that cannot be used: no tensor without its word.

    Whatever computes imports `Tensor` and is told why not; `tito`, which can help, still starts.
    """

    def __init__(self, error: WorkspaceError) -> None:
        self.error = error

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> None:
        if name == "tinytorch.core.tensor":
            raise self.error


def install() -> None:
    """Put the finder of the workspace in force in front of the others, once."""
    if any(isinstance(finder, Overlay | Refusal) for finder in sys.meta_path):
        return
    try:
        root = find()
        if root is None:
            return
        reason = unsafe(root)
        if reason:
            print(
                f"tinytorch: the workspace {root} is not used: {reason}. If that is as it should "
                f"be: tito trust {root}",
                file=sys.stderr,
            )
            return
        others = [] if os.environ.get(WITH) == "reference" else joined(root)
    except WorkspaceError as error:
        sys.meta_path.insert(0, Refusal(error))
        return
    building = [file for file in os.environ.get(BUILDING, "").split(",") if file]
    os.environ[WORKSPACE] = str(root)  # child processes agree, wherever they run
    sys.meta_path.insert(0, Overlay(root, [*others, *building]))


def mine() -> dict[str, str]:
    """Return the loaded modules that came from the workspace, with their files."""
    return {
        name: str(module.__file__)
        for name, module in list(sys.modules.items())
        if getattr(getattr(module, "__loader__", None), "is_workspace", False)
    }
