"""`tito init` and `tito trust`: make a workspace, and say that one may be used.

Left out: what a workspace is (`course/workspace.py`), and when it is used (`course/overlay.py`).
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click

from tinytorch.course import overlay
from tinytorch.course.workspace import Workspace, write


@click.command()
@click.argument(
    "folder",
    default="my-tinytorch",
    metavar="[DIR]",
    type=click.Path(file_okay=False, path_type=Path),
)
@click.option(
    "--git/--no-git", default=None, help="Keep its history with git. Default: ask, in a terminal."
)
def init(folder: Path, git: bool | None) -> None:
    """Make a workspace: the folder in which you build your framework. Default: my-tinytorch."""
    from tinytorch.course.catalogue import lesson_path, modules
    from tinytorch.tito.screen import Screen
    from tinytorch.tito.verdict import near

    screen = Screen()
    made = Workspace.create(folder)
    screen.say(f"Made a workspace in {made.root}", "good")
    screen.pairs(
        [
            ("tinytorch.toml", "marks it, and lists your modules that take part"),
            (".gitignore", "what a git history should leave out"),
        ]
    )
    if _wants_git(made.root, git):
        subprocess.run(["git", "init", "--quiet", str(made.root)], check=True)
        screen.say("It is a git repository now; nothing is committed yet.")
    screen.line()
    first = next((m.number for m in modules() if lesson_path(m.module)), "01")
    screen.line("Next:", "bold")
    if made.root != Path.cwd().resolve():
        screen.line(f"  cd {_quoted(near(made.root))}", "bold")
    screen.line(f"  tito start {first}", "bold")


def _wants_git(root: Path, wanted: bool | None) -> bool:
    """Whether to call git: as told, or as answered where one can be asked and it makes sense."""
    if shutil.which("git") is None:
        if wanted:
            raise click.ClickException(f"git is not installed; the workspace is there: {root}")
        return False
    if wanted is not None:
        return wanted and not (root / ".git").exists()
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return False
    inside = subprocess.run(["git", "rev-parse"], cwd=root, capture_output=True, check=False)
    return inside.returncode != 0 and click.confirm(
        "Keep its history with git (git init)?", default=True
    )


def _quoted(path: str) -> str:
    """A path as one argument of a shell command."""
    if sys.platform == "win32":
        return f'"{path}"' if " " in path else path
    return shlex.quote(path)


@click.command()
@click.argument(
    "folder",
    default=".",
    metavar="[DIR]",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
)
def trust(folder: Path) -> None:
    """Use a workspace although others may write to it, as on shared or mounted disks.

    Whoever can write there decides what `import tinytorch` runs in it.
    """
    from tinytorch.tito.screen import Screen

    root = folder.resolve()
    screen = Screen()
    if not (root / overlay.MARKER).is_file():
        raise click.ClickException(f"{root} is no workspace: it holds no {overlay.MARKER}")
    reason = overlay.exposed(root)
    if not reason or str(root) in overlay.trusted():
        known = "You trust it already" if reason else f"Only you can write to {root}"
        screen.say(f"{known}: nothing to do.")
        return
    screen.say(f"Trusted from now on, although {reason}.", "good")
    write(overlay.trust_file(), "".join(f"{line}\n" for line in [*overlay.trusted(), str(root)]))
    screen.say(f"To take it back, remove its line from {overlay.trust_file()}")
