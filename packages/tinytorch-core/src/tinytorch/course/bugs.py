"""Find the bug: whether a student's operands show that a lesson's wrong definition is wrong.

The right definition is the installed module's, the wrong one stands in the lesson; both get what
`inputs()` in the student's `answers/06_bug.py` returns, in a process with a limit of time. Left
out: the wrong definitions, which come from the catalogue that the checks are tested with.
"""

from __future__ import annotations

import ast
import copy
import json
import os
import runpy
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from tinytorch.course import overlay, stopped
from tinytorch.course.catalogue import Subject
from tinytorch.course.lesson import Part
from tinytorch.course.results import Place

SECONDS = 30.0
EXPOSED, SAME, REFUSED, UNREADY = "exposed", "same", "refused", "unready"


@dataclass(frozen=True)
class Verdict:
    """What the operands showed.

    outcome  EXPOSED; SAME, where both gave one answer; REFUSED, where the right definition does
             not take them; UNREADY, where there are none
    """

    outcome: str
    message: str
    place: Place | None = None


def answer_file(number: str) -> str:
    """Where a workspace holds the answer of a lesson."""
    return f"answers/{number}_bug.py"


def bug_of(about: Subject) -> Part | None:
    """The lesson's wrong definition, if it has one."""
    return next((part for part in about.lesson.parts if part.kind == "bug"), None)


def name_of(bug: Part) -> str:
    """The definition that is wrong."""
    named = (n.name for n in ast.parse(bug.body).body if isinstance(n, ast.FunctionDef))
    return next(named)


def template(about: Subject, bug: Part) -> str:
    """An answer to be written."""
    number, name = about.lesson.number, name_of(bug)
    return (
        f'"""Find the bug of lesson {number}: operands for which its `{name}` is wrong."""\n\n'
        "import numpy as np\n\n\n"
        f"def inputs():\n    # the operands of {name}, as a tuple\n"
        f'    raise NotImplementedError("{number} · bug")\n'
    )


def judge(about: Subject, bug: Part, root: Path, seconds: float = SECONDS) -> Verdict:
    """Try the student's operands on both definitions."""
    file = root / answer_file(about.lesson.number)
    request = {
        "module": about.lesson.module,
        "name": name_of(bug),
        "wrong": bug.body,
        "answer": str(file),
    }
    with tempfile.TemporaryDirectory(prefix="tinytorch-") as folder:
        asked, told = Path(folder, "request.json"), Path(folder, "verdict.json")
        where = Path(folder, "where.txt")
        asked.write_text(json.dumps({**request, "where": str(where), "seconds": seconds}), "utf-8")
        try:
            done = subprocess.run(
                [sys.executable, "-P", "-m", "tinytorch.course.bugs", str(asked), str(told)],
                env={**os.environ, overlay.WORKSPACE: "off", "PYTHONIOENCODING": "utf-8"},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            late = f"it did not finish within {seconds:g} seconds"
            written = where.read_text("utf-8", errors="replace") if where.exists() else ""
            line = stopped.place_in(written, [str(file)])
            if line is None:
                return Verdict(UNREADY, late)
            return Verdict(UNREADY, f"{late}.{stopped.LAST_WORDS}", Place(**line))
        if not told.exists():
            said = done.stderr.decode("utf-8", errors="replace")[-2000:]
            return Verdict(UNREADY, f"it ended Python itself: {said}")
        found = json.loads(told.read_text("utf-8"))
    place = Place(**found.pop("place")) if found["place"] else None
    return Verdict(**{**found, "place": place})


def compare(request: dict[str, Any]) -> Verdict:
    """In a process of its own: run both definitions, the right one before the other exists."""
    from tinytorch.course.checking import CheckFailed, same
    from tinytorch.course.explaining import own_line, sentence_of

    answer = request["answer"]
    try:
        operands = runpy.run_path(answer)["inputs"]()
    except NotImplementedError as error:
        return Verdict(UNREADY, f"{error} is not written yet")
    except KeyError:
        return Verdict(UNREADY, "it defines no function inputs()")
    except Exception as error:
        found = own_line(error, answer)
        return Verdict(UNREADY, sentence_of(error), Place(**found) if found else None)
    if not isinstance(operands, tuple):
        what = type(operands).__name__
        return Verdict(UNREADY, f"inputs() must return a tuple, the operands; it returns {what}")
    module = import_module(request["module"])
    name = request["name"]
    call = f"{name}({', '.join(_short(operand) for operand in operands)})"
    try:
        expected = getattr(module, name)(*copy.deepcopy(operands))
    except Exception as error:
        return Verdict(REFUSED, f"{call}: {sentence_of(error)}")
    namespace = dict(vars(module))
    exec(compile(request["wrong"], "<the bug>", "exec"), namespace)
    try:
        got = namespace[name](*copy.deepcopy(operands))
    except Exception as error:
        return Verdict(EXPOSED, f"{call}\nthe right one gives an answer\nthis one {error!r}")
    try:
        same(got, expected, call=call)
    except CheckFailed as difference:
        return Verdict(EXPOSED, str(difference))
    return Verdict(SAME, call + _taken_for_arrays(operands))


def _taken_for_arrays(operands: tuple[Any, ...]) -> str:
    """A word on shapes that stand where arrays were meant."""
    shapes = [o for o in operands if isinstance(o, tuple) and all(type(n) is int for n in o)]
    if not shapes or any(hasattr(operand, "shape") for operand in operands):
        return ""
    return f"\n{shapes[0]} is a tuple of numbers; did you mean np.ones({shapes[0]})?"


def _short(operand: Any) -> str:
    shape = getattr(operand, "shape", None)
    return f"{type(operand).__name__} {shape}" if shape is not None else repr(operand)[:60]


def main(asked: str, told: str) -> None:
    request = json.loads(Path(asked).read_text("utf-8"))
    with open(request["where"], "wb") as where:
        stopped.watch(request["seconds"], where)
        verdict = compare(request)
        stopped.rest()
    Path(told).write_text(json.dumps(asdict(verdict)), "utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
