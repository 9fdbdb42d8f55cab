"""`tito milestone`: list them, run one. Left out: the milestones, which the tiers bring."""

from __future__ import annotations

import difflib
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

import click

from tinytorch._lazy import not_installed
from tinytorch.course.tiers import Milestone, milestones, tiers
from tinytorch.tito.jsonout import emit
from tinytorch.tito.threads import one_thread

# of the tiers above: what a student who has core alone should hear of
ABOVE: dict[str, dict[str, tuple[str, ...]]] = {
    "tinytorch-arch": {"1998": ("lenet", "convolution"), "2017": ("transformer",)},
    "tinytorch-opt": {"2018": ("2024", "mlperf")},
}


class Milestones(click.Group):
    """`list` and `run`; for a milestone in their place, the command that runs it."""

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        command = super().get_command(context, name)
        if command is None and any(name.lower() in entry.names for entry in milestones().values()):
            raise click.UsageError(
                f"{name!r} is a milestone, not a command: tito milestone run {name}", context
            )
        return command


@click.group(cls=Milestones)
def milestone() -> None:
    """History, made again with this framework."""


@milestone.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(as_json: bool) -> None:
    """Show every milestone and what it must reach."""
    from tinytorch.tito.screen import Screen

    known = milestones().values()
    if as_json:
        emit([asdict(entry) for entry in known])
        return
    screen = Screen()
    rows = [(entry.year, entry.title, runs(entry.uses), entry.gate) for entry in known]
    screen.table(("year", "milestone", "modules", "gate"), rows)
    screen.line("")
    screen.line("Run one: tito milestone run 1986")
    for distribution, years in absent().items():
        verb = "is" if len(years) == 1 else "are"
        screen.say(not_installed(f"{' and '.join(years)} {verb} in {distribution}", distribution))


@milestone.command()
@click.argument("year")
@click.option(
    "--recipe", default="full", metavar="quick|full", help="How much work. Default: full."
)
@click.option(
    "--seed", default=0, show_default=True, type=click.IntRange(0), help="Of every random draw."
)
@click.option(
    "--data",
    metavar="NAME",
    help="Insist on a data set: mnist, cifar-10 or drawn (1986, 1998), tinyshakespeare or almanac "
    "(2017).",
)
@click.option(
    "--epochs",
    type=click.IntRange(1),
    help="The same as --set epochs=N. 1998 has digits.epochs and photographs.epochs, 2017 steps.",
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change one setting of the recipe; repeatable.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Write result.json, and the learning curve, into this folder.",
)
@click.option("--mine", is_flag=True, help="Refuse to borrow: every module must be yours.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def run(
    year: str,
    recipe: str,
    seed: int,
    data: str | None,
    epochs: int | None,
    settings: tuple[str, ...],
    out: Path | None,
    mine: bool,
    as_json: bool,
) -> None:
    """Run the milestone of YEAR: 1958 (or 1957), 1969, 1986, 1998, 2017, or its name.

    Exit status 1 if it misses a gate. Nothing is written unless --out says where. Matrix products
    use one thread; OMP_NUM_THREADS=2 in the environment asks for two.
    """
    one_thread()
    from tinytorch.core.memory import keep_freed_memory
    from tinytorch.core.milestones.settings import SettingError

    keep_freed_memory()  # the process is ours
    chosen = find(year)
    if mine:
        refuse_to_borrow(chosen)
    say_what_is_unchecked(chosen.uses, quiet=as_json)
    changes = dict(_pair(setting) for setting in settings)
    if epochs is not None:
        changes["epochs"] = str(epochs)
    try:
        result = import_module(chosen.module).run(
            recipe=recipe, seed=seed, data=data, changes=changes, out=out, show=not as_json
        )
    except SettingError as error:
        raise click.UsageError(str(error)) from None
    if as_json:
        emit(result.record())
    if not result.passed:
        raise click.exceptions.Exit(1)


def refuse_to_borrow(chosen: Milestone) -> None:
    """Raise a click error that names what would be borrowed, unless it is nothing."""
    from tinytorch.core.milestones.provenance import provenance

    own = provenance(chosen.uses)
    borrowed = [number for number, yours in own.items() if not yours]
    if borrowed:
        raise click.ClickException(
            f"{chosen.year} needs {len(own)} modules, and {', '.join(borrowed)} would be borrowed "
            f"from the reference. Build them (tito start {borrowed[0]}), or run it without --mine"
        )


def runs(numbers: tuple[str, ...]) -> str:
    """Return numbers of modules, neighbours joined.

    >>> runs(("01", "02", "03", "04", "06", "08"))
    '01-04, 06, 08'
    """
    joined: list[list[str]] = []
    for number in numbers:
        if joined and int(number) == int(joined[-1][-1]) + 1:
            joined[-1].append(number)
        else:
            joined.append([number])
    return ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 2 else ", ".join(run) for run in joined)


def say_what_is_unchecked(uses: tuple[str, ...], quiet: bool) -> None:
    """Name the student's modules at work that changed after their checks passed."""
    from tinytorch.course import overlay, progress
    from tinytorch.course.workspace import Workspace
    from tinytorch.tito.screen import Screen

    root = overlay.find()
    if root is None or overlay.unsafe(root):
        return
    for s in progress.standings(Workspace(root)):
        doubtful = s.state == progress.YOURS and (s.broken or s.unknown or s.older)
        if doubtful and s.module.number in uses:
            why = "a later edit broke it" if s.broken else "it changed since it was checked"
            if s.older and not s.broken:
                why = f"it was checked with an older {', '.join(s.older)}"
            Screen(quiet=quiet).notice(f"{s.file}: {why}. tito test {s.module.number}")


def find(wanted: str) -> Milestone:
    """The milestone known as `wanted`; a usage error names the known ones where there is none."""
    known = milestones()
    for entry in known.values():
        if wanted.lower() in entry.names:
            return entry
    for distribution, years in absent().items():
        for year, others in years.items():
            if wanted.lower() in (year, *others):
                place = f"{year} is in {distribution}"
                raise click.UsageError(not_installed(place, distribution) + ".")
    names = [name for entry in known.values() for name in entry.names]
    close = difflib.get_close_matches(wanted.lower(), names, n=1)
    hint = f" Did you mean {close[0]}?" if close else ""
    listed = ", ".join(
        f"{entry.year} ({', '.join((*entry.aliases, entry.name))})" for entry in known.values()
    )
    raise click.UsageError(f"No milestone is called {wanted!r}.{hint} There are {listed}.")


def absent() -> dict[str, dict[str, tuple[str, ...]]]:
    """The milestones of tiers that are not installed: other names by year, by distribution."""
    here = {tier.distribution for tier in tiers()}
    return {name: years for name, years in ABOVE.items() if name not in here}


def _pair(setting: str) -> tuple[str, str]:
    key, equals, value = setting.partition("=")
    if not equals or not key:
        raise click.UsageError(f"--set {setting}: write KEY=VALUE, as in --set optimizer.lr=0.01")
    return key.strip(), value.strip()
