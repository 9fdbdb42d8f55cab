"""Changes the lists in a workspace's `tinytorch.toml`, and leaves all else in it as it is.

The file is the student's: it is read, commented and committed by people. So a list is replaced
where it stands, and a file in which that cannot be done safely is refused, not rewritten.
Left out: reading it (`overlay.marked`), and what the lists mean (`workspace.py`).
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Sequence

from tinytorch.course.overlay import WorkspaceError

HEADER = """\
# This folder is a TinyTorch workspace: `tito` works in here, and `import tinytorch` uses the files
# listed below instead of the installed ones. Safe to commit.
"""


def with_list(text: str, key: str, values: Sequence[str]) -> str:
    """Return the TOML `text` with `key = [values]`, in place of what it was, at top level."""
    before = tomllib.loads(text)
    listed = f"{key} = {_list(values)}"
    found = re.search(rf"^{key}\s*=\s*\[[^\]]*\]", text, re.MULTILINE)
    if found:
        changed = text[: found.start()] + listed + text[found.end() :]
    else:  # before the first table: what follows one belongs to it
        table = re.search(r"^\[", text, re.MULTILINE)
        at = table.start() if table else len(text)
        head = text[:at]
        gap = "" if not head or head.endswith("\n") else "\n"
        changed = f"{head}{gap}{listed}\n{text[at:]}"
    try:
        after = tomllib.loads(changed)
    except tomllib.TOMLDecodeError:
        after = {}
    if after != {**before, key: list(values)}:
        raise WorkspaceError(
            f"tinytorch.toml is written in a way that tito does not dare to change. Please set "
            f"{listed.replace(chr(10), ' ')} in it by hand"
        )
    return changed


def _list(values: Sequence[str]) -> str:
    if not values:
        return "[]"
    return "[\n" + "".join(f"    {json.dumps(value)},\n" for value in values) + "]"
