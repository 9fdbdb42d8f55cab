"""Runs the checks of a module against one file, in a process with limits of time and memory.

`run_checks` is the one way: the terminal, notebooks and graders show what it returns. Left out:
what happens inside that process (`checks_process.py`), and showing results.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tinytorch.course import overlay, stopped
from tinytorch.course.catalogue import Subject as Subject
from tinytorch.course.catalogue import subject as subject
from tinytorch.course.results import TIMEOUT, CheckResult, ModuleResult, Place, sentence

SECONDS = 10.0  # for one check; they take milliseconds, on a busy machine too
AGAIN = 3.0  # once one had to be stopped: its neighbours often run into the same loop
START = 60.0  # for Python, NumPy and pytest to start
PYTEST_RAN = (0, 1, 5)  # its exit statuses: all passed, some failed, none was left to run


def run_checks(
    about: Subject,
    root: Path | None = None,
    exercise: str | None = None,
    seconds: float = SECONDS,
    *,
    alone: bool = False,
    begun: Callable[[str], None] = lambda sentence: None,
) -> ModuleResult:
    """Run the checks of a module, or of one exercise, and return what they found.

    about    the module, by `catalogue.subject("tinytorch.core.tensor")`
    root     the workspace whose file is checked (it need not have joined); None: the installed one
    seconds  how long one check may take before it is stopped and reported as such
    alone    leave out the other modules of the workspace, which the installed ones replace
    begun    called with the sentence of each check as it begins, for whoever shows progress
    """
    lesson = about.lesson
    module = lesson.module
    file = about.file
    path = str(root / file) if root else module
    wanted = {e.id: list(e.needs) for e in lesson.exercises}
    if exercise is not None:
        wanted = {lesson.exercise(exercise).id: []}
    environment = {
        overlay.WORKSPACE: str(root) if root else "off",
        overlay.BUILDING: file if root else "",
        overlay.WITH: "reference" if alone else os.environ.get(overlay.WITH, ""),
    }
    names = {e.id: list(e.names) for e in lesson.exercises}
    results, broken = run_file(about.checks, module, wanted, environment, seconds, begun, names)
    if broken is not None:
        place = _place(broken.get("place"))
        return ModuleResult(lesson.number, module, path, (), broken["message"], place)
    return ModuleResult(lesson.number, module, path, tuple(results))


def run_file(
    checks: Path,
    module: str,
    exercises: dict[str, list[str]],
    environment: dict[str, str],
    seconds: float,
    begun: Callable[[str], None],
    names: dict[str, list[str]] | None = None,
) -> tuple[list[CheckResult], dict[str, Any] | None]:
    """Run a file of checks in as many processes as it takes, a new one after each endless loop.

    module       what is imported first, so that a file that cannot be is told from a wrong answer
    exercises    those whose checks are run, in order, each with the exercises it waits for
    environment  variables that say which modules are the student's
    names        what each exercise defines

    Returns the checks that ended; or, besides, why a file could not be imported.
    """
    request: dict[str, Any] = {
        "module": module,
        "checks": str(checks),
        "exercises": exercises,
        "names": names or {},
        "files": _own_files(environment),
        "done": [],
        "failed": [],
        "endless": [],  # exercises whose other checks are not run
    }
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8", **environment}
    results: list[CheckResult] = []
    while True:
        request["seconds"] = seconds
        found, broken, late = _attempt(request, environment, seconds, begun)
        results += found
        if broken or late is None:
            return results, broken
        results.append(late)
        seconds = min(seconds, AGAIN)
        request["done"] = [check.name for check in results]
        request["endless"] = sorted({c.exercise for c in results if c.outcome == TIMEOUT})
        request["failed"] = sorted({c.exercise for c in results if c.outcome != "passed"})


def _attempt(
    request: dict[str, Any],
    environment: dict[str, str],
    seconds: float,
    begun: Callable[[str], None],
) -> tuple[list[CheckResult], dict[str, Any] | None, CheckResult | None]:
    """Run one process until it ends or a check takes too long.

    Returns the checks that ended, the event of a file that cannot be imported, and the check that
    had to be stopped.
    """
    with tempfile.TemporaryDirectory(prefix="tinytorch-") as folder:
        request_file, events_file = Path(folder, "request.json"), Path(folder, "events.jsonl")
        output_file, where_file = Path(folder, "output.txt"), Path(folder, "where.txt")
        request_file.write_text(json.dumps(request), "utf-8")
        # -P: a file in the current folder must not stand in for one of Python's own
        command = [sys.executable, "-P", "-m", "tinytorch.course.checks_process"]
        with output_file.open("wb") as output:
            process = subprocess.Popen(
                [*command, str(request_file), str(events_file), str(where_file)],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
            try:
                late = _wait(process, events_file, seconds, begun)
            except BaseException:  # Ctrl-C: nothing goes on behind the prompt
                process.kill()
                process.wait()
                raise
        events = _events(events_file)
        ended = [e for e in events if e.get("name") and e["outcome"] != "started"]
        results = [_result(event) for event in ended]
        broken = next((e for e in events if e["outcome"] == "broken"), None)
        running = [
            e
            for e in events
            if e["outcome"] == "started" and e["name"] not in {r.name for r in results}
        ]
        how = (
            f"it did not finish within {seconds:g} seconds: is there a loop that never ends?"
            if late
            else f"it ended Python itself (exit status {process.returncode})"
        )
        place = _where(where_file, request["files"]) if late else None
        how += stopped.LAST_WORDS if place else ""
        if running:
            outcome = "timeout" if late else "failed"
            event = {**running[-1], "outcome": outcome, "message": how, "place": place}
            return results, broken, _result(event)
        if events and events[-1]["outcome"] == "importing":
            return results, {"message": f"importing the file: {how}", "place": place}, None
        if broken is None and not (events and events[-1].get("status") in PYTEST_RAN):
            said = output_file.read_text("utf-8", errors="replace")[-2000:]
            raise RuntimeError(f"the checks' process ended without a result:\n{said}")
        return results, broken, None


def _wait(
    process: subprocess.Popen[bytes], events: Path, seconds: float, begun: Callable[[str], None]
) -> bool:
    """Wait for the process; stop it, and return True, once nothing has happened for `seconds`."""
    size, since, limit = 0, time.monotonic(), START
    while True:
        try:
            process.wait(0.02)
        except subprocess.TimeoutExpired:
            pass
        else:
            return False
        now = events.stat().st_size if events.exists() else 0
        if now != size:
            size, since, limit = now, time.monotonic(), seconds
            last = found[-1] if (found := _events(events)) else {}
            if last.get("name"):
                begun(last.get("says") or sentence(last["name"]))
        elif time.monotonic() - since > limit:
            process.kill()
            process.wait()
            return True


def _own_files(environment: dict[str, str]) -> list[str]:
    """The student's files that these variables put in force."""
    root = environment.get(overlay.WORKSPACE, "off")
    if root.lower() in overlay.OFF:
        return []
    files = {*overlay.joined(Path(root)), *environment.get(overlay.BUILDING, "").split(",")}
    return [str(Path(root) / file) for file in files if file]


def _where(path: Path, files: list[str]) -> dict[str, Any] | None:
    """The line of theirs in which a process was that took too long, if that is known."""
    if not path.exists():
        return None
    return stopped.place_in(path.read_text("utf-8", errors="replace"), files)


def _events(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    lines = path.read_text("utf-8").split("\n")[:-1]  # a line that was being written is left out
    return [json.loads(line) for line in lines]


def _result(event: dict[str, Any]) -> CheckResult:
    return CheckResult(
        name=event["name"],
        sentence=event.get("says") or sentence(event["name"]),
        exercise=event["exercise"],
        outcome=event["outcome"],
        message=event.get("message", ""),
        place=_place(event.get("place")),
        output=event.get("output", ""),
    )


def _place(found: dict[str, Any] | None) -> Place | None:
    return Place(**found) if found else None
