"""`tito list` and `tito status`: modules, milestones and checkpoints, yours or borrowed.

A module that joined and then changed is checked again before it is called sound. `list` leaves it
at that and is quick; `status` checks whatever is not known. Left out: what to do next, except for
one line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from tinytorch.course import capabilities, progress
from tinytorch.course.overlay import find
from tinytorch.course.progress import BORROWED, BUILDING, YOURS, Standing
from tinytorch.course.tiers import milestones
from tinytorch.course.workspace import Workspace

if TYPE_CHECKING:
    from tinytorch.tito.screen import Cell, Screen


COURSE = 20  # modules, of all tiers


@click.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(as_json: bool) -> None:
    """Show modules, milestones and checkpoints: yours, being built, or borrowed."""
    _show(as_json, everything=False)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def status(as_json: bool) -> None:
    """Show where you stand; whatever changed since it was tested is checked first."""
    _show(as_json, everything=True)


def _show(as_json: bool, everything: bool) -> None:
    from tinytorch.tito import checkpoint
    from tinytorch.tito.jsonout import emit
    from tinytorch.tito.screen import Screen

    workspace = Workspace.current() if everything or find() is not None else None
    screen = Screen(quiet=as_json)
    known = up_to_date(screen, workspace, everything) if workspace else progress.standings(None)
    if as_json:
        emit(as_data(workspace, known))
        return
    if workspace is not None:
        screen.say(f"Your framework in {workspace.root}", "bold")
    modules(screen, known)
    screen.line()
    _milestones(screen, known)
    screen.line()
    screen.say(f"{checkpoint.line(capabilities.answers(workspace))} All: tito checkpoint")
    if workspace is None:
        screen.line("Next: tito init my-tinytorch", "bold")
        screen.say("There is no workspace here: everything is the installed reference.")
        return
    if everything:
        _say_what_is_open(screen, workspace, known)
    command, why = progress.next_step(workspace, known)
    for s in known:
        if s.result is not None and s.result.error and progress.unreadable(s) != why:
            kept = " Its points are those of before." if s.before else ""
            screen.notice(progress.unreadable(s) + kept)
        elif s.older and progress.aged(s) != why:
            screen.notice(f"{progress.aged(s)} tito test {s.module.number}")
        elif s.broken and s.file not in why:
            screen.notice(f"{s.file} has joined, and a later edit broke it.")
    screen.line(f"Next: {command}", "bold")
    screen.say(why)


def _say_what_is_open(screen: Screen, workspace: Workspace, known: list[Standing]) -> None:
    """What the lessons of modules that have joined ask besides their exercises."""
    from tinytorch.course.marking import still_open

    for s in known:
        left = still_open(workspace, s.lesson) if s.state == YOURS and s.lesson else []
        if left:
            screen.say(f"Still open in {s.module.number}: {'; '.join(left)}.")


def up_to_date(screen: Screen, workspace: Workspace, everything: bool) -> list[Standing]:
    """How all modules stand, after those that changed were checked again.

    everything  those that are being built, too, and not only those that joined
    """
    from tinytorch.course.catalogue import subject

    known = progress.standings(workspace)
    states = (YOURS, BUILDING) if everything else (YOURS,)
    stale = [s for s in known if (s.unknown or (everything and s.older)) and s.state in states]
    stale = [s for s in stale if workspace.path(s.file).exists()]
    if not stale:
        return known
    from tinytorch.tito.live import passing

    with passing(screen) as show:
        for standing in stale:
            what = " and ".join(standing.older) or standing.file
            show(f"{what} has changed: checking {standing.file} ...")
            progress.check(workspace, subject(standing.module.module))
    return progress.standings(workspace)


def modules(screen: Screen, known: list[Standing]) -> None:
    """The table of modules."""
    width = 10 if screen.columns >= 60 else 5
    rows = [(s.module.number, s.module.title, _state(s), _progress(s, width)) for s in known]
    screen.table(("", "module", "whose", "points"), rows)
    mine = sum(s.state == YOURS for s in known)
    screen.line()
    later = COURSE - len(known)
    more = f" {later} more of the course come with further packages." if later > 0 else ""
    screen.say(
        f"{mine} of {len(known)} modules are yours; what is borrowed is the reference.{more}"
    )


def _state(standing: Standing) -> Cell:
    if standing.broken:
        return "broken", "bad"
    return standing.state, {YOURS: "good", BUILDING: "notice", BORROWED: "dim"}[standing.state]


def _progress(standing: Standing, width: int) -> Cell:
    if standing.lesson is None:
        return "no lesson", "dim"
    total = sum(e.points for e in standing.exercises)
    if standing.state == BORROWED:
        return f"{'·' * width} {total}", "dim"
    if standing.unknown:
        return "not tested", "notice"
    earned = sum(e.points for e in standing.done())
    if standing.result is not None and standing.result.error:
        earned = sum(e.points for e in standing.done_before())
        full = earned * width // max(total, 1)
        return f"{'█' * full}{'·' * (width - full)} {earned}/{total} before", "notice"
    full = earned * width // max(total, 1)
    style = "good" if earned == total else ""
    return f"{'█' * full}{'·' * (width - full)} {earned}/{total}", style


def _milestones(screen: Screen, known: list[Standing]) -> None:
    yours = {s.module.number for s in known if s.state == YOURS}
    rows = [
        (m.year, f"{len(yours & set(m.uses))} of {len(m.uses)}", m.title)
        for m in milestones().values()
    ]
    screen.table(("", "yours", "milestone"), rows)


def as_data(workspace: Workspace | None, known: list[Standing]) -> dict[str, Any]:
    """Everything, for `--json`."""
    yours = [s.module.number for s in known if s.state == YOURS]
    command, why = progress.next_step(workspace, known) if workspace else ("tito init", "")
    return {
        "workspace": str(workspace.root) if workspace else None,
        "modules": [s.as_dict() for s in known],
        "milestones": [
            {
                "year": m.year,
                "title": m.title,
                "yours": sorted(set(yours) & set(m.uses)),
                "uses": list(m.uses),
            }
            for m in milestones().values()
        ],
        "checkpoints": [
            {"number": answer.number, "title": answer.title, "state": answer.state}
            for answer in capabilities.answers(workspace)
        ],
        "next": {"command": command, "why": why},
    }
