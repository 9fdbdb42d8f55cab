"""One line of `tito doctor`, and the commands that it recommends."""

from __future__ import annotations

import shlex
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Finding:
    """What was found, whether it is well, and the command that mends it where it is not."""

    ok: bool
    found: str
    repair: str = ""


def pip(*words: str) -> str:
    """A pip command for the Python that is running, whichever the shell would choose."""
    on_path = shutil.which("python")
    same = on_path is not None and Path(on_path).absolute() == Path(sys.executable).absolute()
    return shlex.join(["python" if same else sys.executable, "-m", "pip", *words])


def set_variable(name: str, value: str | None) -> str:
    """A shell command that sets an environment variable, or removes it."""
    if sys.platform == "win32":
        return f'set "{name}={value or ""}"'
    return f"unset {name}" if value is None else f"export {name}={shlex.quote(value)}"
