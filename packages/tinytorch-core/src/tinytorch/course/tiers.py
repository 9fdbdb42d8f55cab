"""Tiers: what each installed distribution brings to the course, found by entry point.

A distribution announces itself in the entry point group `tinytorch.tiers` with a `Tier` object:

    [project.entry-points."tinytorch.tiers"]
    core = "tinytorch.core.tier:TIER"

so others can publish course packs of their own. A tier that cannot be loaded is named and skipped;
it never stops `tito`. Left out: whatever a tier's parts do. This file imports neither NumPy nor the
framework, because `tito` reads it before every command that it does not know itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points

GROUP = "tinytorch.tiers"


@dataclass(frozen=True)
class CourseModule:
    """One module of the course: its number, its title, and the Python module it builds."""

    number: str  # "06"
    title: str  # "Autograd"
    module: str  # "tinytorch.core.autograd"


@dataclass(frozen=True)
class Milestone:
    """One milestone: facts to list it by; the module of that name runs it.

    `module` holds a function `run(*, recipe, seed, data, changes, out, show)` that returns a
    `tinytorch.core.milestones.result.Result`.
    """

    year: str  # "1958", and what it is called on the command line
    name: str  # "perceptron", which is accepted too
    title: str
    gate: str  # what must be reached, in words
    module: str  # "tinytorch.core.milestones.m1958"
    uses: tuple[str, ...]  # numbers of the course modules at work in it
    aliases: tuple[str, ...] = ()
    data: tuple[str, ...] = ()  # data sets to choose from; none where it makes its own

    @property
    def names(self) -> tuple[str, ...]:
        """Everything it is known by."""
        return (self.year, *self.aliases, self.name)


@dataclass(frozen=True)
class Checkpoint:
    """One of the course's questions "Can I ...?", answered by checks that cross its modules."""

    number: str  # "7"
    title: str  # "Any program has a gradient"
    question: str  # "Can I ...?"
    uses: tuple[str, ...]  # numbers of the course modules at work in it
    checks: str  # a module of checks: "tinytorch.core.capabilities.check_7_gradients"


@dataclass(frozen=True)
class Command:
    """A command that a tier adds to `tito`; `target` is imported when it is used."""

    name: str
    help: str
    target: str  # "package.module:click_command"


@dataclass(frozen=True)
class Tier:
    """What one distribution brings. `lessons` and `checks` name packages that hold the files."""

    name: str
    distribution: str
    title: str
    modules: tuple[CourseModule, ...] = ()
    milestones: tuple[Milestone, ...] = ()
    lessons: str | None = None
    checks: str | None = None
    commands: tuple[Command, ...] = ()
    checkpoints: tuple[Checkpoint, ...] = ()


@dataclass(frozen=True)
class Fault:
    """A tier that is announced but cannot be used, and why."""

    name: str
    distribution: str
    reason: str


@dataclass(frozen=True)
class Found:
    """The tiers that can be used, lowest module number first, and those that cannot."""

    tiers: tuple[Tier, ...]
    faults: tuple[Fault, ...]


def tiers() -> tuple[Tier, ...]:
    """The tiers that are installed and can be loaded, lowest module number first."""
    return find_tiers().tiers


def find_tiers(points: Iterable[EntryPoint] | None = None) -> Found:
    """Load every announced tier. `points` are entry points to use instead of the installed ones."""
    from tinytorch.core.tier import TIER  # core needs no announcement: this file is part of it

    found, faults = {TIER.name: TIER}, []
    for point in entry_points(group=GROUP) if points is None else points:
        if point.value == "tinytorch.core.tier:TIER":
            continue
        tier, reason = _load(point)
        if tier is not None and tier.name in found:
            reason = f"a tier called {tier.name!r} is there already"
        if reason:
            owner = point.dist.name if point.dist is not None else "an unknown distribution"
            faults.append(Fault(point.name, owner, reason))
        elif tier is not None:
            found[tier.name] = tier
    return Found(tuple(sorted(found.values(), key=_first_number)), tuple(faults))


def milestones() -> dict[str, Milestone]:
    """Every milestone of every tier, by year; of two with one year, the lower tier's."""
    listed: dict[str, Milestone] = {}
    for tier in tiers():
        for milestone in tier.milestones:
            listed.setdefault(milestone.year, milestone)
    return dict(sorted(listed.items()))


def _load(point: EntryPoint) -> tuple[Tier | None, str]:
    try:
        tier = point.load()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # somebody else's file: whatever it does, tito goes on
        return None, " ".join(f"{type(error).__name__}: {error}".split())
    if not isinstance(tier, Tier):
        return None, f"{point.value} is a {type(tier).__name__}, not a Tier"
    return tier, ""


def _first_number(tier: Tier) -> tuple[str, str]:
    return min((module.number for module in tier.modules), default="99"), tier.name
