"""`tito` alone inside a workspace: where you are, and the one next command.

It runs no check, because it is typed often: what changed is said to have changed. Left out: the
table (`listing.py`), and `tito` outside of a workspace (`home.py`).
"""

from __future__ import annotations

from tinytorch.course import progress
from tinytorch.course.progress import BORROWED, YOURS, Standing
from tinytorch.course.results import PASSED
from tinytorch.course.workspace import Workspace
from tinytorch.tito.screen import Screen
from tinytorch.tito.verdict import counted


def show(workspace: Workspace) -> None:
    """Say where the student is and what to type next."""
    screen = Screen()
    known = progress.standings(workspace)
    mine = [s for s in known if s.state == YOURS]
    screen.say(f"Your framework in {workspace.root}", "bold")
    screen.say(f"{len(mine)} of {len(known)} modules are yours.")
    at = progress.current_module(workspace, known)
    if at is not None and at.state != BORROWED:
        screen.say(f"Last worked at: {at.module.number} {at.module.title}, {at.file}. {_how(at)}")
    command, why = progress.next_step(workspace, known)
    screen.line()
    screen.line(f"Next: {command}", "bold")
    screen.say(f"{why} All modules: tito list")


def _how(standing: Standing) -> str:
    result = standing.result
    if result is None:
        return "It has not been tested as it is now."
    if result.error:
        return "It cannot be used as it is."
    done = sum(result.outcome_of(e.id) == PASSED for e in standing.exercises)
    return f"{done} of {counted(len(standing.exercises), 'exercise')} done."
