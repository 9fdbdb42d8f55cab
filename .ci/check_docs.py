"""Run what the pages show: `python check_docs.py README.md docs/*.md [--lessons FOLDER]`.

Every `python` fence is executed, those of one page in one namespace, in an empty folder; every
`tito` command that a page names has to exist. A fence that is only an illustration is written
`py`. Of lessons, whose fences ran when their pages were made, only the commands are looked at. Left
out: shell fences, which `.ci/run` and the releases page follow by hand.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

FENCE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"(?:^|`|/bin/|&& )tito((?: [a-z][a-z-]*)+)", re.MULTILINE)
TITO = [sys.executable, "-m", "tinytorch"]


def run_fences(page: Path, text: str) -> int:
    namespace: dict[str, object] = {"__name__": "__main__"}
    fences = FENCE.findall(text)
    for number, source in enumerate(fences, start=1):
        exec(compile(source, f"{page.name}, fence {number}", "exec"), namespace)
    return len(fences)


def commands(text: str) -> set[str]:
    return {" ".join(words.split()) for words in COMMAND.findall(text)}


def main(pages: list[Path], lessons: list[Path]) -> None:
    texts = {page: page.read_text("utf-8") for page in pages}
    with tempfile.TemporaryDirectory() as empty:
        os.chdir(empty)
        ran = sum(run_fences(page, text) for page, text in texts.items())
    named = set().union(*map(commands, texts.values()))
    for lesson in lessons:
        named |= commands(lesson.read_text("utf-8"))
    missing = []
    for command in sorted(named):
        done = subprocess.run([*TITO, *command.split(), "--help"], capture_output=True, text=True)
        if done.returncode != 0:
            missing.append(f"tito {command}: {done.stderr.strip() or done.stdout.strip()}")
    if missing:
        sys.exit("the pages name commands that do not work:\n  " + "\n  ".join(missing))
    print(f"{ran} Python examples ran, {len(named)} tito commands exist")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Run what the pages show.")
    parser.add_argument("pages", nargs="+", type=Path)
    parser.add_argument("--lessons", type=Path, help="a folder of Markdown")
    options = parser.parse_args()
    made = sorted(options.lessons.resolve().glob("*.md")) if options.lessons else []
    main([page.resolve() for page in options.pages], made)
