"""`tito watch`: run the checks of the current exercise whenever the file is saved.

Save, see, think; one key for a hint, the list, a reset, the next exercise, and the end. Left out:
noticing (`course/changes.py`), keys (`keys.py`), running and showing checks.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace

import click

from tinytorch.course import progress
from tinytorch.course.changes import Changes
from tinytorch.course.lesson import Exercise
from tinytorch.course.notebook_cells import CellError
from tinytorch.course.notebook_made import notebook_file
from tinytorch.course.results import PASSED, ModuleResult
from tinytorch.course.skeleton import restored
from tinytorch.tito import syncing, testing, verdict
from tinytorch.tito.choosing import Target, choose, with_module
from tinytorch.tito.hints import next_hint
from tinytorch.tito.keys import Keys
from tinytorch.tito.screen import Screen

EVERY = 0.25  # seconds between two looks at the file
KEYS = "[h]int  [l]ist  [n]ext  [r]eset  [q]uit"


@click.command()
@with_module
def watch(words: tuple[str, ...], module: str | None) -> None:
    """Run the checks of the current exercise on every save, until q or Ctrl-C."""
    target = choose(words, module)
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise click.ClickException("watch needs a terminal; without one: tito test")
    syncing.first(Screen(), target)
    changes = Changes(target.workspace.path(target.file))
    cells = Changes(target.workspace.path(notebook_file(target.about)))
    session = Session(target)
    with Keys() as keys:
        session.check_all()
        while True:
            if cells.changed():
                session.notebook_saved()
            if changes.changed():
                session.saved()
            key = keys.wait(EVERY)
            if key in ("q", "Q", "\x04"):
                break
            if key and not session.press(key, keys):
                session.draw()


class Session:
    """What is watched, and what is known about it."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.exercise: Exercise | None = target.exercise
        self.result: ModuleResult | None = None
        self.done = 0  # exercises, when all were checked last
        self.news = ""

    @property
    def exercises(self) -> tuple[Exercise, ...]:
        return self.target.about.lesson.exercises

    def check_all(self) -> None:
        """Check the module, and turn to the first exercise that does not pass."""
        everything = replace(self.target, exercise=None)
        self.result = testing.run(Screen(), everything)
        self.done = sum(self.result.outcome_of(e.id) == PASSED for e in self.exercises)
        passes = self.exercise and self.result.outcome_of(self.exercise.id) == PASSED
        if self.exercise is None or passes:
            self.exercise = progress.current_exercise(self.target.about.lesson, self.result)
        self.draw()

    def saved(self) -> None:
        """Check the current exercise again; once it passes, see what is left."""
        self.news = ""
        if self.exercise is None or (self.result is not None and self.result.error):
            self.check_all()
            return
        only = replace(self.target, exercise=self.exercise)
        result = testing.run(Screen(), only)
        if result.passed:
            self.news = f"{self.exercise.id} is done."
            self.check_all()
        else:
            self.result = result
            self.draw()

    def notebook_saved(self) -> None:
        """Put its cells into the file, which is then checked; or show what is wrong with one."""
        screen = Screen()
        try:
            syncing.first(screen, self.target)
        except CellError as error:
            _clear(screen)
            screen.line(str(error), "bad")
            self._prompt(screen)

    def press(self, key: str, keys: Keys) -> bool:
        """Do what a key says; return whether the screen shows it already."""
        screen = Screen()
        if key in "hH" and self.exercise is not None:
            number = next_hint(self.target, self.exercise)
            screen.line()
            screen.line(f"Hint {number} of {len(self.exercise.hints)}", "bold")
            screen.say(self.exercise.hints[number - 1].replace("\n", " "), indent=2)
            self._prompt(screen)
        elif key in "lL":
            everything = replace(self.target, exercise=None)
            result = testing.run(screen, everything)
            screen.line()
            if result.error:
                verdict.show(screen, self.target.about.lesson, result)
            else:
                seen = self.target.standing().revealed
                verdict.exercises(screen, list(self.exercises), result, seen)
            self._prompt(screen)
        elif key in "nN":
            self._next()
            return False
        elif key in "rR" and self.exercise is not None:
            self._reset(screen, keys)
            return True
        return True

    def draw(self) -> None:
        """Show the current exercise and how it stands, on an empty screen."""
        screen = Screen()
        _clear(screen)
        lesson, result = self.target.about.lesson, self.result
        head = f"{lesson.number} {lesson.title}, {self.target.file}"
        screen.say(f"{head}: {self.done} of {len(self.exercises)} done", "bold")
        if self.news:
            screen.say(self.news, "good")
        screen.line()
        if result is None:
            return
        if result.error:
            verdict.show(screen, lesson, result)
        elif self.exercise is None:
            verdict.exercises(screen, list(self.exercises), result)
            screen.line()
            screen.say("Every exercise passes.", "good")
            screen.line(f"Next: q, and then: tito complete {lesson.number}", "bold")
        else:
            verdict.exercises(screen, [self.exercise], result)
            verdict.trouble(screen, lesson, result, [self.exercise])
        self._prompt(screen)

    def _next(self) -> None:
        """Turn to the next exercise that does not pass, after the last one to the first."""
        everything = replace(self.target, exercise=None)
        result = self.result = testing.run(Screen(), everything)
        left = [e for e in self.exercises if result.outcome_of(e.id) != PASSED]
        order = [e.id for e in self.exercises]
        here = order.index(self.exercise.id) if self.exercise else -1
        later = [e for e in left if order.index(e.id) > here]
        self.exercise = next(iter(later or left), None)
        self.target.note(self.exercise.id if self.exercise else None)
        self.news = ""

    def _reset(self, screen: Screen, keys: Keys) -> None:
        assert self.exercise is not None
        screen.line()
        screen.line(f"Back to the skeleton of {self.exercise.id}? y/n", "notice")
        answer = ""
        while not answer:
            answer = keys.wait(EVERY)
        if answer not in ("y", "Y"):
            self.draw()
            return
        try:
            text = restored(self.target.about, self.exercise, self.target.text())
        except SyntaxError as error:
            screen.say(f"Not with a syntax error in the file: mend line {error.lineno}.", "bad")
            self._prompt(screen)
            return
        self.target.workspace.put(self.target.file, text)
        self.news = f"Reset; your version is kept: tito undo {self.target.number}"
        if self.target.joined:
            self.target.workspace.leave(self.target.file)
        self.check_all()

    def _prompt(self, screen: Screen) -> None:
        screen.line()
        screen.say("Waiting for you to save the file.", "dim")
        screen.line(KEYS if len(KEYS) <= screen.columns else KEYS.replace("  ", " "), "bold")


def _clear(screen: Screen) -> None:
    if os.environ.get("TERM") == "dumb":
        screen.line("-" * min(screen.columns, 40))
    else:
        sys.stdout.write("\x1b[H\x1b[2J")
        sys.stdout.flush()
