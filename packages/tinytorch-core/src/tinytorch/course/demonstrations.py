"""Runs what a lesson shows: its `python` fences, in one namespace, and its plots.

They run in a process of their own, against the installed modules whatever a workspace holds, so a
page shows what this machine really printed. Left out: torch fences, whose output is recorded in
the lesson, and drawing (`plotting.py`).
"""

from __future__ import annotations

import ast
import contextlib
import io
import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tinytorch.course import overlay
from tinytorch.course.lesson import Lesson, Part, read

SECONDS = 120.0


@dataclass(frozen=True)
class Shown:
    """What one fence came to."""

    output: str = ""  # what it printed, and its last expression as the prompt would show it
    curves: dict[str, list[list[float]]] = field(default_factory=dict)  # of a plot, by label
    error: str = ""


def shown(lesson: Lesson, seconds: float = SECONDS) -> dict[int, Shown]:
    """Run a lesson's fences and return what each came to, by the line it begins at.

    Those after a failure, or after the time is up, are missing.
    """
    command = [sys.executable, "-P", "-m", "tinytorch.course.demonstrations", str(lesson.path)]
    one_thread = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")  # steady times
    own = {overlay.WORKSPACE: "off", "PYTHONIOENCODING": "utf-8"}
    environment = {**one_thread, **os.environ, **own}
    try:
        done = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=seconds,
            check=False,
        )
        output = done.stdout
    except subprocess.TimeoutExpired as late:
        output = late.stdout or b""
    found: dict[int, Shown] = {}
    for line in output.decode("utf-8", errors="replace").splitlines():
        with contextlib.suppress(ValueError):  # the last line may be cut off
            entry = json.loads(line)
            line_number = entry.pop("line")
            found[line_number] = Shown(**entry)
    return found


def run(part: Part, namespace: dict[str, Any], name: str) -> Shown:
    """Run one fence, and return what it printed and what its last expression is."""
    output = io.StringIO()
    value = None
    # blank lines in front, so that an error names the line of the lesson
    tree = ast.parse("\n" * part.line + part.body, name)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    try:
        with contextlib.redirect_stdout(output):
            exec(compile(tree, name, "exec"), namespace)
            if isinstance(last, ast.Expr):
                value = eval(compile(ast.Expression(last.value), name, "eval"), namespace)
    except Exception as error:  # shown on the page, and refused by the tests
        return Shown(output.getvalue(), error=f"{type(error).__name__}: {error}")
    if part.kind == "plot":
        curves = {
            str(label): [[float(x), float(y)] for x, y in points]
            for label, points in (value or {}).items()
        }
        return Shown(output.getvalue(), curves)
    if value is not None:
        output.write(f"{value!r}\n")
    return Shown(output.getvalue())


def main(path: str) -> None:
    lesson = read(Path(path))
    namespace: dict[str, Any] = {"__name__": "__main__"}
    answers, sys.stdout = sys.stdout, sys.stderr
    for part in lesson.parts:
        if part.kind in ("python", "plot"):
            result = run(part, namespace, lesson.path.name)
            print(json.dumps({"line": part.line, **asdict(result)}), file=answers, flush=True)
            if result.error:
                return


if __name__ == "__main__":
    main(sys.argv[1])
