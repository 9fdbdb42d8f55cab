"""`tito data`: list, fetch, import and verify data sets. `tinytorch.datasets` does the work."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tinytorch.tito.jsonout import emit

if TYPE_CHECKING:
    from tinytorch.datasets.manage import DatasetStatus, Verification
    from tinytorch.tito.screen import Screen

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def data() -> None:
    """List, fetch, import and verify data sets.

    They are looked for in the folder named by TINYTORCH_DATA, then in the cache.
    """


@data.command("list")
@as_json
def list_(as_json: bool) -> None:
    """Show every data set, and whether it is on this machine."""
    from tinytorch.datasets import manage
    from tinytorch.tito.screen import Screen

    known = manage.registry()
    if as_json:
        emit([asdict(status) for status in known])
        return
    screen = Screen()
    rows = [
        (status.name, where(status), size(status.size), status.title.partition(": ")[2])
        for status in known
    ]
    screen.table(("name", "where", "download", "what"), rows, right=(2,))
    if any(status.where == "absent" for status in known):
        screen.line("")
        screen.line("Get one: tito data fetch NAME")


@data.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
def fetch(names: tuple[str, ...]) -> None:
    """Download data sets into the cache; what is there already is checked."""
    from tinytorch.datasets import manage
    from tinytorch.tito.screen import Screen

    screen = Screen()
    for status in [_status(name) for name in names]:  # all names are checked before any download
        if status.where == "absent":
            screen.notice(announcement(status))
        with screen.downloads() as progress:
            report = manage.fetch(status.name, progress)
        _show(screen, report)


@data.command("import")
@click.argument("name")
@click.argument("path", type=click.Path(exists=True, path_type=Path))
def import_(name: str, path: Path) -> None:
    """Copy a file, or a folder of files, that you have already into the cache.

    Files are checked first; nothing is copied if one is damaged.
    """
    from tinytorch.datasets import manage
    from tinytorch.tito.screen import Screen

    status = _status(name)
    if status.where == "built in":
        raise click.UsageError(f"{status.name} is built in: there is nothing to import")
    _show(Screen(), manage.import_file(name, path))


@data.command()
@click.argument("names", nargs=-1, metavar="[NAME...]")
@as_json
def verify(names: tuple[str, ...], as_json: bool) -> None:
    """Read data sets and check every byte. Exit status 1 if one is damaged.

    Without a name: all that are on this machine. A data set named here must be there.
    """
    from tinytorch.datasets import manage
    from tinytorch.tito.screen import Screen

    chosen = [_status(name) for name in names] or [
        status for status in manage.registry() if status.paths
    ]
    reports = [manage.verify(status.name) for status in chosen]
    if as_json:
        emit([{**asdict(report), "ok": report.ok} for report in reports])
    else:
        screen = Screen()
        for report in reports:
            _show(screen, report)
        if not reports:
            screen.say("No data set is on this machine: nothing to verify.")
    if not all(report.ok for report in reports):
        raise click.exceptions.Exit(1)


def where(status: DatasetStatus) -> str:
    """Where a data set is, in two or three words."""
    if status.where == "absent" and status.paths:
        return f"{len(status.missing)} of {len(status.paths) + len(status.missing)} files missing"
    return {"local": "TINYTORCH_DATA", "cached": "cache"}.get(status.where, status.where)


def size(count: int) -> str:
    """Bytes in megabytes; nothing for what is built in."""
    return f"{count / 1e6:.1f} MB" if count else ""


def announcement(status: DatasetStatus) -> str:
    """What will be fetched, how much, from where, and where it goes; said before any download."""
    from urllib.parse import urlsplit

    from tinytorch.datasets.catalogue import ENTRIES
    from tinytorch.datasets.folders import cache_folder, lacking

    [entry] = [entry for entry in ENTRIES if entry.name == status.name]
    files = [file for file in entry.files if file.name in status.missing]
    host = urlsplit(files[0].mirrors[0]).netloc
    amount = size(sum(file.size for file in files))
    count = f"{len(files)} file{'s' if len(files) > 1 else ''}"
    here = lacking(entry)
    what = f"Fetching {entry.name}: {count}, {amount}, from {host} to {cache_folder() / entry.name}"
    return f"{here}. {what}" if here else what


def _status(name: str) -> DatasetStatus:
    from tinytorch.datasets import manage

    try:
        return manage.locate(name)
    except KeyError as error:
        raise click.UsageError(str(error.args[0])) from None


def _show(screen: Screen, report: Verification) -> None:
    for file in report.files:
        mark = ("ok", "good") if file.ok else ("problem", "bad")
        screen.line(f"{mark[0]:<8}{report.name}  {file.name}", mark[1])
        screen.say(file.message, indent=8)
