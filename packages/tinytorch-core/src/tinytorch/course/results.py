"""What checks found, as plain data: for the terminal, for notebooks, for graders, for JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

PASSED = "passed"
FAILED = "failed"  # the answer is wrong, or the student's code raised
UNWRITTEN = "unwritten"  # the exercise still raises its NotImplementedError
WAITING = "waiting"  # for another exercise to pass first
TIMEOUT = "timeout"  # it did not finish


@dataclass(frozen=True)
class Place:
    """A line of the student's own code."""

    file: str
    line: int
    code: str = ""
    column: int | None = None  # where in `code` the fault begins, from 1
    end_column: int | None = None  # the column after its last


@dataclass(frozen=True)
class CheckResult:
    """One check: a sentence, and whether it holds."""

    name: str  # "check_an_added_axis_is_summed_away"
    sentence: str  # "an added axis is summed away"
    exercise: str
    outcome: str
    message: str = ""
    place: Place | None = None
    output: str = ""  # what the code printed, where it did not pass


@dataclass(frozen=True)
class ModuleResult:
    """All checks of one module, against one file."""

    number: str
    module: str
    file: str  # what was checked
    checks: tuple[CheckResult, ...] = ()
    error: str = ""  # why the file could not be imported at all, in one sentence
    place: Place | None = None

    @property
    def passed(self) -> bool:
        """Whether every check passed; a module without checks has not."""
        every = all(check.outcome == PASSED for check in self.checks)
        return bool(self.checks) and every and not self.error

    def outcome_of(self, exercise: str) -> str:
        """One word for an exercise: passed, or the first thing that stands in its way."""
        outcomes = [check.outcome for check in self.checks if check.exercise == exercise]
        return next((o for o in outcomes if o != PASSED), PASSED if outcomes else UNWRITTEN)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> ModuleResult:
        """The result that `as_dict` gave. Raises KeyError or TypeError for anything else."""

        def place(found: dict[str, Any] | None) -> Place | None:
            return Place(**found) if found else None

        return cls(
            number=data["number"],
            module=data["module"],
            file=data["file"],
            checks=tuple(
                CheckResult(**{**check, "place": place(check["place"])}) for check in data["checks"]
            ),
            error=data["error"],
            place=place(data["place"]),
        )

    def as_dict(self) -> dict[str, Any]:
        """The result as JSON takes it."""
        return {**asdict(self), "passed": self.passed}


def sentence(check_name: str) -> str:
    """Return a check's name as the sentence that it is."""
    return check_name.removeprefix("check_").partition("[")[0].replace("_", " ")
