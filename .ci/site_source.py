"""Make what mkdocs builds the site of: `python .ci/site_source.py FOLDER`.

The folder becomes a small copy of this repository's site: `mkdocs.yml`, `docs/`, and in them a page
for each lesson of the installed tiers, the list of all modules, pictures of the terminal, and what
milestones reached. A page says where they go: `<!-- modules -->`, `<!-- commands -->`,
`<!-- screen: init -->`, `<!-- record: 1998 -->`. It is made anew each time and never committed.
Left out: how a lesson becomes a page (`tinytorch.course.site`), and a record (`records.py`).
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tinytorch.course.catalogue import lesson_path, modules, subject
from tinytorch.course.site import main as write_lessons
from tinytorch.course.site import modules_list
from tinytorch.course.tiers import tiers
from tinytorch.tito.app import OWN

ROOT = Path(__file__).resolve().parents[1]
MARK = re.compile(r"^<!-- (modules|commands|screen: \w+|record: \w+) -->$", re.MULTILINE)
LISTED = "      - lessons/index.md\n"  # in mkdocs.yml: the lessons follow it


def copied(target: Path) -> None:
    """Make a folder anew with the site's own files; refuse one that holds anything else."""
    if target.exists() and any(target.iterdir()) and not (target / "mkdocs.yml").is_file():
        sys.exit(f"{target} holds something else than a site: name an empty folder")
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    # first of all: by it a folder is known again that was left half made
    (target / "mkdocs.yml").write_text(listed(), "utf-8", newline="\n")
    shutil.copytree(ROOT / "docs", target / "docs")
    (target / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "aligned_docstrings.py", target / ".ci")


def listed() -> str:
    """Return mkdocs.yml with the lessons in its menu."""
    menu = LISTED
    for module in modules():
        path = lesson_path(module.module)
        if path is not None:
            lesson = subject(module.module).lesson
            menu += f'      - "{lesson.number} {lesson.title}": lessons/{path.name}\n'
    settings = (ROOT / "mkdocs.yml").read_text("utf-8")
    if settings.count(LISTED) != 1:
        sys.exit(f"mkdocs.yml has to hold {LISTED.strip()!r} once, for the lessons to follow it")
    return settings.replace(LISTED, menu)


def fill(docs: Path, pieces: dict[str, str]) -> None:
    """Put pieces in the place of their marks; each mark needs a piece, and each piece a mark."""
    used = set()
    for page in sorted(docs.rglob("*.md")):
        text = page.read_text("utf-8")
        marks = MARK.findall(text)
        unknown = [mark for mark in marks if mark not in pieces]
        if unknown:
            sys.exit(f"{page.relative_to(docs)}: nothing is made for <!-- {unknown[0]} -->")
        used.update(marks)
        if marks:
            page.write_text(MARK.sub(lambda m: pieces[m[1]], text), "utf-8", newline="\n")
    if unused := sorted(set(pieces) - used):
        sys.exit(f"no page shows {', '.join(unused)}")


def made(kind: str, script: str) -> dict[str, str]:
    """Return what a script beside this one makes, by the names of the marks."""
    done = subprocess.run(
        [sys.executable, str(ROOT / ".ci" / script)], stdout=subprocess.PIPE, text=True
    )
    if done.returncode:
        sys.exit(f"{script} failed, which makes what <!-- {kind}: ... --> is for")
    return {f"{kind}: {name}": piece for name, piece in json.loads(done.stdout).items()}


def commands() -> str:
    """Return all commands of tito, the tiers' included, as a table."""
    added = [command for tier in tiers() for command in tier.commands]
    rows = [f"| `tito {command.name}` | {command.help} |" for command in (*OWN, *added)]
    return "\n".join(["| Command | What it does |", "| --- | --- |", *rows])


def main(target: Path) -> None:
    copied(target)
    write_lessons(str(target / "docs" / "lessons"))
    screens = made("screen", "screens.py")
    tables = {"modules": modules_list(tiers()), "commands": commands()}
    reached = made("record", "records.py")
    fill(target / "docs", {**screens, **tables, **reached})
    print(f"{len(screens)} screens recorded; look at it: mkdocs serve -f {target}/mkdocs.yml")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
