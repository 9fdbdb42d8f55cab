"""The checkpoints: sixteen questions "Can I ...?", and what the student's framework answered.

An answer belongs to the files that gave it: once one of them changes, joins or leaves, the question
is open again. Left out: the checks (each tier's own), and showing any of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tinytorch.course import overlay
from tinytorch.course.catalogue import file_of, lesson_path, modules
from tinytorch.course.results import ModuleResult, Place
from tinytorch.course.tiers import Checkpoint, tiers
from tinytorch.course.workspace import Workspace

SECONDS = 120.0  # for one check: the last of core's trains a network

# What the tiers above bring, once they are there: so that the way can be seen from its beginning.
LATER = (
    ("10", "A CNN sees", "tinytorch-arch"),
    ("11", "Any string goes in and comes out", "tinytorch-arch"),
    ("12", "Attention routes", "tinytorch-arch"),
    ("13", "A transformer writes", "tinytorch-arch"),
    ("14", "I know where time and memory go", "tinytorch-opt"),
    ("15", "A model shrinks and still works", "tinytorch-opt"),
    ("16", "It is fast, measured and deployed", "tinytorch-olympics"),
)

YES = "yes"
BORROWING = "yes, borrowing"  # modules that the student could build
NOT_YET = "not yet"  # a check says no
OPEN = "not asked"  # since one of the files at work changed
WAITING = "waits"  # for modules that the student could build
ELSEWHERE = "elsewhere"  # in a tier that is not here


@dataclass(frozen=True)
class Answer:
    """One question, as it stands in a workspace, or without one."""

    number: str
    title: str
    checkpoint: Checkpoint | None  # None: it comes with `distribution`
    distribution: str
    installed: bool  # whether that is installed
    yours: tuple[str, ...] = ()  # numbers of the modules at work that are the student's
    borrowed: tuple[str, ...] = ()
    waits: tuple[str, ...] = ()  # the borrowed ones that could be built
    result: ModuleResult | None = None  # of the files as they are now; None where not asked

    @property
    def state(self) -> str:
        """One word or two: YES, BORROWING, NOT_YET, OPEN, WAITING or ELSEWHERE."""
        if self.checkpoint is None:
            return ELSEWHERE
        if self.result is None:
            return WAITING if self.waits else OPEN
        if not self.result.passed:
            return NOT_YET
        return BORROWING if self.waits else YES

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "number": self.number,
            "title": self.title,
            "question": self.checkpoint.question if self.checkpoint else None,
            "distribution": self.distribution,
            "installed": self.installed,
            "state": self.state,
            "yours": list(self.yours),
            "borrowed": list(self.borrowed),
            "waits_for": list(self.waits),
            "result": self.result.as_dict() if self.result else None,
        }


def answers(workspace: Workspace | None) -> list[Answer]:
    """Every question and its answer, by number, also those whose tier is not there."""
    found: dict[str, Answer] = {}
    joined = workspace.joined if workspace else []
    for tier in tiers():
        for checkpoint in tier.checkpoints:
            there = _answer(workspace, joined, checkpoint, tier.distribution)
            found.setdefault(checkpoint.number, there)
    for number, title, distribution in LATER:
        if number not in found:
            found[number] = Answer(number, title, None, distribution, _installed(distribution))
    return sorted(found.values(), key=lambda answer: int(answer.number))


def ask(
    workspace: Workspace | None,
    checkpoint: Checkpoint,
    begun: Callable[[str], None] = lambda sentence: None,
) -> ModuleResult:
    """Run a checkpoint's checks on the framework of the workspace, and remember what they found.

    Modules that have joined are the student's, the others the reference's; without a workspace all
    are the reference's, and nothing is kept.
    """
    from tinytorch.course.runner import run_file

    spec = find_spec(checkpoint.checks)
    if spec is None or spec.origin is None:
        raise LookupError(f"{checkpoint.checks} is not there: is the installation whole?")
    digest = _digest(workspace, checkpoint) if workspace else ""
    names = {module.number: module.module for module in modules()}
    first = names[checkpoint.uses[-1]] if checkpoint.uses else "tinytorch"
    environment = {
        overlay.WORKSPACE: str(workspace.root) if workspace else "off",
        overlay.BUILDING: "",
        overlay.WITH: "",
    }
    wanted: dict[str, list[str]] = {checkpoint.number: []}
    checks, broken = run_file(Path(spec.origin), first, wanted, environment, SECONDS, begun)
    error = broken["message"] if broken else ""
    place = Place(**broken["place"]) if broken and broken.get("place") else None
    result = ModuleResult(checkpoint.number, first, checkpoint.checks, tuple(checks), error, place)
    if workspace:
        workspace.remember(_key(checkpoint), result.as_dict(), digest)
    return result


def _answer(
    workspace: Workspace | None, joined: list[str], checkpoint: Checkpoint, distribution: str
) -> Answer:
    at_work = [module for module in modules() if module.number in checkpoint.uses]
    own = {module.number: file_of(module.module) in joined for module in at_work}
    recalled = workspace and workspace.recall(_key(checkpoint), _digest(workspace, checkpoint))
    try:
        result = ModuleResult.from_dict(recalled) if recalled else None
    except (KeyError, TypeError):  # written by another version: it can be found out again
        result = None
    return Answer(
        checkpoint.number,
        checkpoint.title,
        checkpoint,
        distribution,
        True,
        tuple(number for number, mine in own.items() if mine),
        tuple(number for number, mine in own.items() if not mine),
        tuple(m.number for m in at_work if not own[m.number] and lesson_path(m.module)),
        result,
    )


def _key(checkpoint: Checkpoint) -> str:
    return f"checkpoint {checkpoint.number}"


def _digest(workspace: Workspace, checkpoint: Checkpoint) -> str:
    """Of the student's files at work; where a checkpoint names no module, of all that joined."""
    at_work = [file_of(m.module) for m in modules() if m.number in checkpoint.uses]
    files = [f for f in workspace.joined if not checkpoint.uses or f in at_work]
    text = "\n".join(f"{file} {workspace.hash(file)}" for file in sorted(files))
    return hashlib.sha256(text.encode()).hexdigest()


def _installed(distribution: str) -> bool:
    try:
        version(distribution)
    except PackageNotFoundError:
        return False
    return True
