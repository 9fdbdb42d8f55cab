"""How far a student is: derived from files, their hashes and what checks found. Nothing is claimed.

    yours     the file has joined: `import tinytorch` uses it
    building  the file is there, and does not take part yet
    borrowed  the installed reference serves

Deleting `.tito` forgets results, and they are found again. Left out: showing any of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tinytorch.course.catalogue import Subject, file_of, lesson_path, modules, subject
from tinytorch.course.lesson import Exercise, Lesson
from tinytorch.course.results import FAILED, PASSED, TIMEOUT, UNWRITTEN, ModuleResult
from tinytorch.course.tiers import CourseModule, milestones
from tinytorch.course.workspace import Workspace

YOURS, BUILDING, BORROWED = "yours", "building", "borrowed"


@dataclass(frozen=True)
class Standing:
    """One module, as it stands in a workspace."""

    module: CourseModule
    file: str
    state: str  # YOURS, BUILDING or BORROWED
    lesson: Lesson | None
    result: ModuleResult | None  # of the file as it is now; None where that is not known
    revealed: tuple[str, ...] = ()  # exercises whose solution was shown before they passed
    older: tuple[str, ...] = ()  # the student's other files that changed since the result was found
    before: ModuleResult | None = None  # the last one of a file that could be imported

    @property
    def exercises(self) -> tuple[Exercise, ...]:
        return self.lesson.exercises if self.lesson else ()

    @property
    def unknown(self) -> bool:
        """Whether the file has changed since it was last checked, or never was."""
        return self.state != BORROWED and self.lesson is not None and self.result is None

    @property
    def broken(self) -> bool:
        """Whether a file that has joined does not pass any more."""
        return self.state == YOURS and self.result is not None and not self.result.passed

    def done(self) -> list[Exercise]:
        """The exercises that pass."""
        return self._passing(self.result)

    def done_before(self) -> list[Exercise]:
        """The exercises that passed when the file could last be imported."""
        return self._passing(self.before)

    def _passing(self, result: ModuleResult | None) -> list[Exercise]:
        return [e for e in self.exercises if result and result.outcome_of(e.id) == PASSED]

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        result = self.result
        return {
            "number": self.module.number,
            "title": self.module.title,
            "module": self.module.module,
            "file": self.file,
            "state": self.state,
            "lesson": self.lesson is not None,
            "passed": result.passed if result else None,
            "points": sum(e.points for e in self.done()),
            "of_points": sum(e.points for e in self.exercises),
            "error": result.error if result and result.error else None,
            "points_before": sum(e.points for e in self.done_before()),
            "older": list(self.older),
            "exercises": [
                {
                    "exercise": e.id,
                    "points": e.points,
                    "outcome": result.outcome_of(e.id) if result else None,
                    "revealed": e.id in self.revealed,
                }
                for e in self.exercises
            ],
        }


def standings(workspace: Workspace | None) -> list[Standing]:
    """How every module stands; without a workspace, all are borrowed."""
    joined = workspace.joined if workspace else []
    revealed = workspace.revealed if workspace else []
    hashes = {file: workspace.hash(file) for file in joined} if workspace else {}
    return [_standing(workspace, module, hashes, revealed) for module in modules()]


def _others(file: str, hashes: dict[str, str]) -> dict[str, str]:
    """Of the files that joined and their hashes, those that the checks of `file` may run: earlier
    modules."""
    order = [file_of(module.module) for module in modules()]
    before = order[: order.index(file)] if file in order else []
    return {f: digest for f, digest in hashes.items() if f in before}


def _standing(
    workspace: Workspace | None, module: CourseModule, joined: dict[str, str], revealed: list[str]
) -> Standing:
    file = file_of(module.module)
    lesson = subject(module.module).lesson if lesson_path(module.module) else None
    there = workspace is not None and workspace.path(file).exists()
    state = YOURS if file in joined else BUILDING if there else BORROWED
    found = workspace.recall(file) if workspace and state != BORROWED else None
    shown = tuple(r.partition(" ")[2] for r in revealed if r.split(" ")[0] == module.number)
    if workspace is None or found is None:
        return Standing(module, file, state, lesson, None, shown)
    then, now = workspace.recall_others(file), _others(file, joined)
    older = tuple(f for f in sorted({*then, *now}) if then.get(f) != now.get(f))
    before = _result(workspace.recall_before(file))
    return Standing(module, file, state, lesson, _result(found), shown, older, before)


def _result(found: dict[str, Any] | None) -> ModuleResult | None:
    try:
        return ModuleResult.from_dict(found) if found else None
    except (KeyError, TypeError):  # written by another version: it can be found out again
        return None


def check(
    workspace: Workspace,
    about: Subject,
    exercise: str | None = None,
    *,
    alone: bool = False,
    begun: Callable[[str], None] = lambda sentence: None,
) -> ModuleResult:
    """Run the checks of the student's file; what the whole module gave is remembered.

    alone  with the installed modules in place of the student's others
    """
    from tinytorch.course.runner import run_checks

    digest = workspace.hash(about.file)  # before: an edit meanwhile has not been checked
    others = _others(about.file, {file: workspace.hash(file) for file in workspace.joined})
    result = run_checks(about, workspace.root, exercise, alone=alone, begun=begun)
    if exercise is None and not alone:
        workspace.remember(about.file, result.as_dict(), digest, others)
    elif exercise is not None and not alone and not result.error:
        workspace.remember_part(about.file, exercise, result.as_dict())
    return result


def current_exercise(
    lesson: Lesson, result: ModuleResult, among: Sequence[Exercise] = ()
) -> Exercise | None:
    """The exercise to work at: the first wrong one, else the first that is not written."""
    for wanted in ((FAILED, TIMEOUT), (UNWRITTEN,)):
        for exercise in among or lesson.exercises:
            if result.outcome_of(exercise.id) in wanted:
                return exercise
    return None


def current_module(workspace: Workspace, known: list[Standing]) -> Standing | None:
    """The module last worked at, or else the one whose file changed last."""
    mine = [s for s in known if s.state != BORROWED and s.lesson is not None]
    at = workspace.noted("at")
    for standing in mine:
        if isinstance(at, dict) and at.get("file") == standing.file:
            return standing
    unfinished = [s for s in mine if s.state == BUILDING] or mine
    there = [s for s in unfinished if workspace.path(s.file).exists()]
    return max(there, key=lambda s: workspace.path(s.file).stat().st_mtime, default=None)


def to_begin(workspace: Workspace, known: list[Standing]) -> list[Standing]:
    """The modules not begun: those that follow the one last worked at, then those before it."""
    at = current_module(workspace, known)
    here = at.module.number if at is not None else ""
    waiting = [s for s in known if s.state == BORROWED and s.lesson is not None]
    return sorted(waiting, key=lambda s: (s.module.number < here, s.module.number))


def next_step(workspace: Workspace, known: list[Standing]) -> tuple[str, str]:
    """The one next command, and why."""
    for s in known:
        if s.state == YOURS and not workspace.path(s.file).exists():
            return f"tito undo {s.module.number}", f"{s.file} has joined, but it is gone."
        if s.broken:
            return (
                f"tito test {s.module.number}",
                f"{s.file} has joined, and a later edit broke it.",
            )
        if s.state == YOURS and s.unknown:
            return f"tito test {s.module.number}", f"{s.file} changed since it joined."
        if s.state == YOURS and s.older:
            return f"tito test {s.module.number}", aged(s)
    at = current_module(workspace, known)
    if at is not None and at.state == BUILDING:
        return _going_on(at)
    for s in known:
        if s.state == BUILDING and s.lesson is not None:
            return _going_on(s)
    for s in to_begin(workspace, known):
        assert s.lesson is not None
        why = f"{s.module.title}: {s.lesson.meta['capability']}"
        return f"tito start {s.module.number}", f"{why}{_passed_over(known, at, s)}"
    yours = {s.module.number for s in known if s.state == YOURS}
    best = max(milestones().values(), key=lambda m: len(yours & set(m.uses)))
    return f"tito milestone run {best.year}", f"{best.title}, with your code."


def unreadable(standing: Standing) -> str:
    """Say why a file cannot be imported, and in which line."""
    result = standing.result
    if result is None or not result.error:
        return ""
    line = ""
    if result.place:
        other = result.place.file != result.file  # one that it imports
        where = f", because of {Path(result.place.file).name}" if other else ""
        line = f"{where}, line {result.place.line}"
    return f"{standing.file} cannot be used as it is{line}: {result.error}."


def aged(standing: Standing) -> str:
    """Say that a result was found with other files than there are now."""
    return f"{standing.file} was checked with an older {' and an older '.join(standing.older)}."


def _passed_over(known: list[Standing], at: Standing | None, to: Standing) -> str:
    """Say which modules between two have no lesson, "" where none."""
    after = at.module.number if at is not None else ""
    numbers = [s.module.number for s in known if after < s.module.number < to.module.number]
    without = [s for s in known if s.module.number in numbers and s.lesson is None]
    if not without:
        return ""
    return f" {spanned([s.module.number for s in without])} no lesson yet: the reference serves."


def spanned(numbers: list[str]) -> str:
    """ "02 has", "02 to 05 have", "02 and 05 have"."""
    if len(numbers) == 1:
        return f"{numbers[0]} has"
    following = [f"{int(numbers[0]) + i:02}" for i in range(len(numbers))]
    if len(numbers) > 2 and numbers == following:
        return f"{numbers[0]} to {numbers[-1]} have"
    return f"{', '.join(numbers[:-1])} and {numbers[-1]} have"


def _going_on(standing: Standing) -> tuple[str, str]:
    number, result = standing.module.number, standing.result
    if result is None:
        return f"tito test {number}", f"{standing.file} has not been tested as it is now."
    if result.passed:
        return f"tito complete {number}", f"All checks of {standing.file} pass."
    exercise = current_exercise(standing.lesson, result) if standing.lesson else None
    if exercise is None:
        return f"tito test {number}", unreadable(standing)
    return f"tito test {number}", f"The next exercise is {exercise.id}, in {standing.file}."
