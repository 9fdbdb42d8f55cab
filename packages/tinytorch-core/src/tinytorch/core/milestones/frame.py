"""The frame around a milestone: what is shown, judged and recorded, the same way for all of them.

`@milestone(SPEC, RECIPES)` turns a short script `run(stage, recipe)` into the public function that
`tito milestone run` calls and a notebook may call too. The script asks its `Stage` for a generator,
a progress bar and a table, and tells it numbers, curves, gates and goals. Left out: the history and
the machine learning, which are the script's.
"""

from __future__ import annotations

import json
import os
import platform
import shlex
import shutil
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from tinytorch.core.milestones import plots
from tinytorch.core.milestones.machine import commit, machine
from tinytorch.core.milestones.provenance import provenance, sentence
from tinytorch.core.milestones.result import Curve, Gate, Result, thinned
from tinytorch.core.milestones.settings import SettingError, changed, settings
from tinytorch.course.tiers import Milestone
from tinytorch.tito.screen import Cell, Screen


class Run(Protocol):
    """How a milestone is called."""

    def __call__(
        self,
        *,
        recipe: str = "full",
        seed: int = 0,
        data: str | None = None,
        changes: Mapping[str, Any] | None = None,
        out: str | os.PathLike[str] | None = None,
        show: bool = True,
    ) -> Result:
        """Run it and return what it came to.

        recipe   "quick" or "full"
        seed     of every random draw
        data     a data set to insist on, where there is a choice; None takes the best there is
        changes  settings by dotted name: {"epochs": 2, "optimizer.lr": 0.01}
        out      a folder for result.json and the learning curve; without it nothing is written
        show     whether to say what happens

        Raises SettingError for a recipe, data set or setting that it does not have.
        """
        ...


class Stage:
    """What a milestone script works with while it runs."""

    def __init__(
        self,
        spec: Milestone,
        result: Result,
        screen: Screen,
        data: str | None,
        folder: Path | None = None,
    ) -> None:
        self.spec = spec
        self.result = result
        self.screen = screen
        self.wanted_data = data
        self.folder = folder
        self.rng = np.random.default_rng(result.seed)

    def tell(self, text: str) -> None:
        """Write a paragraph."""
        self.screen.line()
        self.screen.say(text)

    def data(self, name: str, where: str, **facts: Any) -> None:
        """Say and record which data is used: no result without it."""
        self.result.data = {"name": name, "where": where, **facts}
        listed = ", ".join(f"{value:,} {what}" for what, value in facts.items())
        self.screen.line()
        self.screen.say(f"Data: {name} ({where}), {listed}")

    def progress(self, label: str, total: int) -> AbstractContextManager[Callable[[str], None]]:
        """A progress bar: `with stage.progress("seeds", 100) as step: ... step("a note")`."""
        return self.screen.progress(label, total)

    def checkpoints(self) -> Path | None:
        """Where a long training keeps its checkpoints: a folder that only this run finds again.

        It is named by all that decides the run: recipe, settings, seed and data. None where nothing
        is to be written.
        """
        if self.folder is None:
            return None
        result = self.result
        run = [result.milestone, result.recipe, result.settings, result.seed, result.data]
        return self.folder / "checkpoints" / f"{zlib.crc32(json.dumps(run).encode()):08x}"

    def clear_checkpoints(self) -> None:
        """Remove what a run that is finished will not go on from."""
        folder = self.checkpoints()
        if folder is None:
            return
        shutil.rmtree(folder, ignore_errors=True)
        if folder.parent.is_dir() and not any(
            folder.parent.iterdir()
        ):  # another run's may be there
            folder.parent.rmdir()

    def written(self, path: Path, what: str) -> None:
        """Say that a file was written, and what it holds."""
        self.screen.say(f"Written: {path}, {what}")

    def table(
        self, headers: Sequence[str], rows: Sequence[Sequence[Cell]], right: Sequence[int] = ()
    ) -> None:
        """Write a table; `right` are the columns of numbers."""
        self.screen.line()
        self.screen.table(headers, rows, right)

    def number(self, what: str, value: Any) -> None:
        """Record a measured number."""
        self.result.numbers[what] = value

    def curve(
        self, name: str, values: Sequence[float], axis: str = "step", *, log: bool = False,
        first: int = 1,
    ) -> None:  # fmt: skip
        """Record a series, one value a step (or epoch) from `first` on, for the file of curves."""
        self.result.curves.append(Curve(name, thinned(values), len(values), axis, log, first))

    def plot(
        self, name: str, values: Sequence[float], *, log: bool = False, first: int = 1
    ) -> None:
        """Record a series, one value a step from the `first` on, and draw it."""
        name += f" from step {first:,}" if first > 1 else ""
        self.curve(name, values, log=log, first=first)
        self.screen.line()
        self.screen.say(f"{name}{', logarithmic,' if log else ''} by step", "bold")
        self.picture(plots.curve(values, min(self.screen.width, 72), log=log, first=first))

    def picture(self, rows: Sequence[str]) -> None:
        """Write rows of text as they are."""
        for row in rows:
            self.screen.line(row)

    def gate(self, what: str, value: float, **bounds: Any) -> None:
        """Judge a number: `at_least` or `at_most` must hold; `percent` where it is a fraction."""
        self._judge(what, value, goal=False, **bounds)

    def goal(self, what: str, value: float, **bounds: Any) -> None:
        """Judge a number that may be missed without failing."""
        self._judge(what, value, goal=True, **bounds)

    def _judge(
        self,
        what: str,
        value: float,
        *,
        goal: bool,
        at_least: float | None = None,
        at_most: float | None = None,
        percent: bool = False,
    ) -> None:
        bound = at_least if at_least is not None else at_most
        assert bound is not None, "a gate without a bound could not fail"
        self.result.gates.append(
            Gate(what, float(value), bound, at_least is None, percent=percent, goal=goal)
        )


def milestone(
    spec: Milestone, recipes: Mapping[str, Any], history: str
) -> Callable[[Callable[[Stage, Any], None]], Run]:
    """Make the public `run` of a milestone from its script; see `Run` for how it is called."""

    def around(script: Callable[[Stage, Any], None]) -> Run:
        def run(
            *,
            recipe: str = "full",
            seed: int = 0,
            data: str | None = None,
            changes: Mapping[str, Any] | None = None,
            out: str | os.PathLike[str] | None = None,
            show: bool = True,
        ) -> Result:
            _check_choice("recipe", recipe, tuple(recipes))
            if data is not None:
                _check_choice("data", data, spec.data)
            chosen = changed(recipes[recipe], changes or {})
            own = provenance(spec.uses)
            result = Result(
                milestone=spec.year,
                title=spec.title,
                command=_command(spec, recipe, seed, data, changes or {}),
                recipe=recipe,
                settings=settings(chosen),
                seed=seed,
                modules={n: "yours" if mine else "reference" for n, mine in own.items()},
                versions=_versions(),
                machine=machine(),
                commit=commit(),
            )
            screen = Screen(quiet=not show)
            screen.line(f"{spec.year} · {spec.title}", "bold")
            screen.say(history)
            screen.line()
            screen.say(f"At work: {sentence(own)}. Recipe: {recipe}, seed {seed}.")
            start = time.perf_counter()
            folder = None if out is None else Path(out)
            _say_what_is_replaced(result, screen, folder)
            stage = Stage(spec, result, screen, data, folder)
            try:
                script(stage, chosen)
            except KeyboardInterrupt:
                _say_what_is_kept(stage)
                raise
            result.seconds_before = round(result.seconds_before, 3)
            result.seconds = round(result.seconds_before + time.perf_counter() - start, 3)
            _report(result, screen)
            if folder is not None:
                _keep(result, screen, folder)
            return result

        return run

    return around


def _check_choice(what: str, value: str, known: tuple[str, ...]) -> None:
    if not known:
        raise SettingError(f"--{what} {value}: this milestone makes its own data")
    if value not in known:
        raise SettingError(f"--{what} {value}: choose {' or '.join(known)}")


def _command(
    spec: Milestone, recipe: str, seed: int, data: str | None, changes: Mapping[str, Any]
) -> str:
    """The command line that makes this run again."""
    words = ["tito", "milestone", "run", spec.year, "--recipe", recipe, "--seed", str(seed)]
    words += ["--data", data] if data else []
    for name, value in changes.items():
        text = ",".join(map(str, value)) if isinstance(value, tuple | list) else str(value)
        words += ["--set", f"{name}={text}"]
    return shlex.join(words)


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version(), "numpy": np.__version__}
    for name in ("tinytorch-core", "tinytorch-arch", "tinytorch-opt", "tinytorch-olympics"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _say_what_is_replaced(result: Result, screen: Screen, folder: Path | None) -> None:
    """Name the run whose files this one will overwrite, where it was another one."""
    if folder is None or not (folder / "result.json").is_file():
        return
    try:
        command = json.loads((folder / "result.json").read_text("utf-8"))["command"]
    except (ValueError, KeyError, TypeError):
        command = "a run that cannot be read"
    if command != result.command:
        screen.notice(
            f"{folder} holds the files of another run, which this one replaces: {command}"
        )


def _say_what_is_kept(stage: Stage) -> None:
    """After Ctrl-C: whether the same command would go on, or begin anew."""
    folder = stage.checkpoints()
    if folder is not None and any(folder.rglob("last.safetensors")):
        stage.screen.notice("Stopped. The same command goes on from here.")
    else:
        why = "" if stage.folder is not None else " A folder for it, --out DIR, was not named."
        stage.screen.notice(f"Stopped. Nothing is kept: the same command begins anew.{why}")


def _report(result: Result, screen: Screen) -> None:
    """The table of gates and goals, the time, and the last word."""
    rows = [
        (
            f"{'goal: ' if gate.goal else ''}{gate.what}",
            gate.written(gate.value),
            gate.wanted,
            (gate.verdict, "good" if gate.passed else ("notice" if gate.goal else "bad")),
        )
        for gate in result.gates
    ]
    screen.line()
    screen.table(("gate", "measured", "wanted", ""), rows, right=(1, 2))
    screen.line()
    for gate in result.gates:
        if not gate.goal and not gate.passed:
            screen.say(
                f"Gate missed: {gate.what} is {gate.written(gate.value)}, wanted {gate.wanted}.",
                "bad",
            )
    last = "passed" if result.passed else "NOT passed"
    screen.line(
        f"Milestone {result.milestone} {last} in {result.seconds:.1f} s"
        + (f", {result.seconds_before:.1f} s of them before" if result.seconds_before else ""),
        "good" if result.passed else "bad",
    )


def _keep(result: Result, screen: Screen, folder: Path) -> None:
    screen.say(f"Written: {result.save(folder)}")
    if not result.curves:
        return
    title = f"{result.milestone}: {result.title} ({result.data.get('name', '')})"
    picture = plots.save_png(folder / "curves.png", title, result.curves)
    if picture is not None:
        screen.say(f"Written: {picture}")
    else:
        screen.say(
            "No PNG of the curves: matplotlib is not installed. python -m pip install matplotlib"
        )
