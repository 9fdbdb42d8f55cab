"""The process in which checks run: pytest, with a plugin that writes down each event as it happens.

    python -m tinytorch.course.checks_process REQUEST.json EVENTS.jsonl WHERE.txt

The parent (`runner.py`) reads the events, also those of a process that it had to stop, so an
endless loop costs one exercise, not all. The request names the file of checks, the module, the
checks to leave out, the exercises in order with what each needs and defines, those that have failed
already, and those of which a check never ended: their others would only take the same time.
WHERE.txt is for the place at which the process had to be stopped (`stopped.py`).
"""

from __future__ import annotations

import importlib
import json
import re
import sys
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import pytest

from tinytorch.course import stopped
from tinytorch.course.calling import call_of
from tinytorch.course.checking import CheckFailed
from tinytorch.course.explaining import calls_unwritten, own_line, sentence_of, shadowed

MEMORY = 8 * 2**30  # bytes of address space: far above any check, far below a runaway list
MOST_OUTPUT = 2000  # characters of what a check's code printed


class Recorder:
    """Orders the checks by exercise, lets dependents wait, and writes down what happens."""

    def __init__(self, request: dict[str, Any], events: IO[str], where: IO[bytes]) -> None:
        self.request = request
        self.events = events
        self.where = where
        self.needs: dict[str, list[str]] = request["exercises"]
        self.failed: set[str] = set(request["failed"])

    def write(self, **event: Any) -> None:
        self.events.write(json.dumps(event) + "\n")
        self.events.flush()

    def about(self, item: Any) -> dict[str, str]:
        """Which check an event is about."""
        function = item.function
        return {"name": item.name, "exercise": function.exercise, "says": function.says}

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        order = list(self.needs)
        done = set(self.request["done"])
        items[:] = [i for i in items if i.function.exercise in order and i.name not in done]
        items.sort(key=lambda item: order.index(item.function.exercise))

    def pytest_runtest_protocol(self, item: Any) -> bool | None:
        exercise = item.function.exercise
        missing = [need for need in self.needs[exercise] if need in self.failed]
        if exercise in self.request["endless"]:
            message = "not run: an earlier check of it never ended"
        elif missing:
            message = f"waiting for {missing[0]}"
        else:
            return None
        self.failed.add(exercise)
        self.write(**self.about(item), outcome="waiting", message=message)
        return True

    def pytest_runtest_setup(self, item: Any) -> None:
        self.write(**self.about(item), outcome="started")
        stopped.watch(self.request["seconds"], self.where)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: Any) -> Any:
        item.operations = {}  # by name, in the order of their first use
        if self.request["names"]:  # the checks of a lesson are about one operation each
            return (yield)
        from tinytorch.core.context import listening  # not before the student's file was tried

        with listening(lambda event: item.operations.setdefault(event.record.primitive.name)):
            return (yield)

    def pytest_exception_interact(self, node: Any, call: Any) -> None:
        if not hasattr(node, "function"):  # a file of checks that cannot be imported
            error = call.excinfo.value
            if isinstance(error, pytest.Collector.CollectError) and error.__cause__ is not None:
                error = error.__cause__  # pytest's own wrapping of an ImportError
            self.write(**{**explain(error), "outcome": "broken"})

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.when == "call" or report.failed:
            stopped.rest()
            about, found = report.checked
            if report.failed:
                self.failed.add(about["exercise"])
                found["output"] = report.capstdout[-MOST_OUTPUT:]
            outcome = found.pop("outcome", "failed" if report.failed else "passed")
            self.write(**about, outcome=outcome, **found)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: Any, call: Any) -> Any:
        report = yield
        exercise = item.function.exercise
        names = self.request["names"]
        error = call.excinfo.value if call.excinfo else None
        found = explain(error, names, exercise) if error is not None else {}
        told = isinstance(error, AssertionError) or found.get("outcome") == "unwritten"
        if error is not None and not told and (called := call_of(error, str(item.path))):
            found["message"] = f"{called}\ngot       {found['message']}"
        operations = getattr(item, "operations", {})
        if error is not None and operations:
            found["message"] += f"\noperations at work: {', '.join(operations)}"
        report.checked = (self.about(item), found)
        return report


def explain(
    error: BaseException, names: dict[str, list[str]] | None = None, exercise: str = ""
) -> dict[str, Any]:
    """Say what went wrong in the student's terms: a sentence, and the line of theirs, if any.

    names     what each exercise defines
    exercise  the one that is being checked
    """
    place = own_line(error)
    written = [name for listed in (names or {}).values() for name in listed]
    if isinstance(error, NotImplementedError) and " · " in str(error):
        missing = str(error).rpartition(" · ")[2]
        caller, line = calls_unwritten(error, missing, written)
        if not caller:
            message = f"{error} is not written yet"
            return {"outcome": "unwritten", "message": message, "place": place}
        message = f"{caller} calls {missing}, which is not written yet{shadowed([missing])}"
        both = (names or {}).get(exercise, [])  # one exercise, half of it written
        found = {"message": message, "place": line}
        return {**found, "outcome": "unwritten"} if missing in both else found
    if isinstance(error, CheckFailed):  # place: of an error that is not the one that was wanted
        return {"message": str(error), "place": own_line(error.__cause__ or error)}
    if type(error) is AssertionError:
        return {"message": str(error).partition("\nassert ")[0], "place": place}
    if isinstance(error, MemoryError):
        limit = f"{MEMORY // 2**30} GiB"
        return {"message": f"MemoryError: more than {limit} were asked for", "place": place}
    message = sentence_of(error)
    if isinstance(error, TypeError) and place:
        called = [name for name in written if re.search(rf"(?<![\w.]){name}\(", place["code"])]
        if trap := shadowed(called):  # an object's address says nothing, and may be cut short
            message = re.sub(r" <\w+ object .*", "", message, flags=re.DOTALL) + trap
    return {"message": message, "place": place}


def limit_memory() -> None:
    """Let an allocation that can only be a mistake fail, where the system can do that."""
    try:
        import resource
    except ImportError:  # Windows
        return
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    if hard == resource.RLIM_INFINITY or hard > MEMORY:
        with suppress(ValueError, OSError):  # macOS has the name, and not always the limit
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, hard))


def main(request_file: str, events_file: str, where_file: str) -> None:
    request = json.loads(Path(request_file).read_text("utf-8"))
    with Path(events_file).open("w", encoding="utf-8") as events, open(where_file, "wb") as where:
        recorder = Recorder(request, events, where)
        limit_memory()
        recorder.write(outcome="importing")
        stopped.watch(request["seconds"], where)
        try:
            importlib.import_module(request["module"])
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # SystemExit too: a file that is imported must not end us
            recorder.write(**{**explain(error), "outcome": "broken", "name": ""})
            return
        finally:
            stopped.rest()
        settings = Path(request["checks"]).with_name("pytest.ini")
        options = ["-p", "no:cacheprovider", "--noconftest", "-q", "--tb=no", "-c", str(settings)]
        status = pytest.main([*options, request["checks"]], plugins=[recorder])
        recorder.write(outcome="finished", status=int(status))


if __name__ == "__main__":
    main(*sys.argv[1:])
