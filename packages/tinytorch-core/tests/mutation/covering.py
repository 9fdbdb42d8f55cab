"""Which tests run which lines of a file, and how long each takes: two plugins for pytest.

`Recorder` watches a run of the unchanged program; `Chosen` then runs, for a mutant, only the tests
that reach its lines, the quickest first. Both drop cases of operations that a module does not
concern.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest


@dataclass(frozen=True)
class Coverage:
    """What the unchanged program did: seconds of each test, and the tests that ran each line."""

    seconds: dict[str, float]
    by_line: dict[int, list[str]]

    def tests(self, lines: frozenset[int]) -> dict[str, float]:
        """The tests that run one of `lines`, with their seconds; all if only importing does."""
        reached = {test for line in lines for test in self.by_line.get(line, ()) if test}
        return {test: self.seconds[test] for test in reached & self.seconds.keys()} or self.seconds

    def other_tests(self, lines: frozenset[int], tried: dict[str, float]) -> dict[str, float]:
        """The tests that were not `tried`, if importing runs one of `lines`: all may depend on it.

        Nothing where `tried` are these others themselves: then all have been.
        """
        imported = any("" in self.by_line.get(line, ()) for line in lines)
        if not imported or tried.keys() != self.tests(lines).keys():
            return {}
        return {test: self.seconds[test] for test in self.seconds.keys() - tried.keys()}


def noticed_by(log: Path) -> str:
    """Return the id of the test that failed, as pytest's summary gives it, or ""."""
    lines = log.read_text("utf-8", "replace").splitlines()
    failed = [line for line in lines if line.startswith(("FAILED ", "ERROR "))]
    return failed[0].partition(" ")[2].partition(" - ")[0] if failed else ""


def until(name: str, files: list[str], tests: dict[str, float]) -> dict[str, float]:
    """Return those of `tests` that run up to the one called `name`: file after file, by seconds."""

    def turn(test: str) -> tuple[int, float]:
        return files.index(test.partition("::")[0].rpartition("/")[2]), tests[test]

    return {test: tests[test] for test in tests if turn(test) <= turn(name)}


def concerns(item: pytest.Item, operations: list[str]) -> bool:
    """Whether a test is about no operation in particular, or about one of `operations`."""
    callspec = getattr(item, "callspec", None)
    case: Any = callspec.params.get("case") if callspec is not None else None
    return getattr(case, "name", None) in (None, *operations)


class Recorder:
    """Record a `Coverage` of one file."""

    def __init__(self, file: Path, operations: list[str]) -> None:
        import coverage

        self.file, self.operations = file, operations
        self.seconds: dict[str, float] = {}
        self.coverage = coverage.Coverage(data_file=None, include=[str(file)], config_file=False)
        self.coverage.start()

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = [item for item in items if concerns(item, self.operations)]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self.coverage.switch_context(item.nodeid)
        result = yield
        self.coverage.switch_context("")
        return result

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.seconds[report.nodeid] = self.seconds.get(report.nodeid, 0) + report.duration
        if report.skipped:
            del self.seconds[report.nodeid]

    def result(self) -> Coverage:
        self.coverage.stop()
        data = self.coverage.get_data()
        return Coverage(self.seconds, dict(data.contexts_by_lineno(str(self.file))))


class Chosen:
    """Run only `tests`, the quickest first."""

    def __init__(self, tests: dict[str, float]) -> None:
        self.tests = tests

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = sorted(
            (item for item in items if item.nodeid in self.tests),
            key=lambda item: self.tests[item.nodeid],
        )
