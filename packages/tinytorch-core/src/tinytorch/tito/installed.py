"""What `tito doctor` looks at among installed distributions: strangers, versions, changed files.

Each check yields findings. Left out: NumPy itself, and folders (`health.py`).
"""

from __future__ import annotations

import base64
import csv
import hashlib
import json
from collections.abc import Iterator
from importlib.metadata import (
    Distribution,
    PackageNotFoundError,
    distribution,
    distributions,
    packages_distributions,
    version,
)
from pathlib import Path

from tinytorch.tito.finding import Finding, pip
from tinytorch.tito.health import Check
from tinytorch.tito.info import DISTRIBUTIONS


def strangers() -> Iterator[Finding]:
    """Distributions of other people that put files into the package `tinytorch`.

    One called `tinytorch` exists on the public index. Removing it takes files of ours along where
    both had one of the same name, so ours is installed again.
    """
    packs = {
        dist.name
        for dist in distributions()
        if any(point.group == "tinytorch.tiers" for point in dist.entry_points)
    }
    providers = set(packages_distributions().get("tinytorch", ()))
    providers |= {dist.name for dist in distributions() if _plain(dist.name) == "tinytorch"}
    foreign = sorted(name for name in providers - packs if _plain(name) not in DISTRIBUTIONS)
    for name in foreign:
        yield Finding(
            False,
            f"the distribution {name!r} ({version(name)}) is not part of this project, and also "
            "provides the package tinytorch: files of the two overwrite each other",
            f"{pip('uninstall', '--yes', name)} && {reinstall('tinytorch-core')}",
        )
    if not foreign:
        yield Finding(True, "no foreign distribution provides tinytorch")


def versions() -> Iterator[Finding]:
    """Whether every installed tier finds what it requires, other tiers included."""
    from packaging.requirements import Requirement

    for name in DISTRIBUTIONS:
        try:
            tier = distribution(name)
        except PackageNotFoundError:
            if name == "tinytorch-core":
                found = "tinytorch-core is not installed, only found in a folder"
                yield Finding(False, found, pip("install", "--editable", str(_source())))
            continue
        missing = []
        for text in tier.requires or ():
            requirement = Requirement(text)
            if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
                continue
            present = _version(requirement.name)
            if present is None or not requirement.specifier.contains(present, prereleases=True):
                missing.append((requirement, present))
        for requirement, present in missing:
            have = f"{present} is installed" if present else "it is not installed"
            yield Finding(
                False,
                f"{name} {tier.version} needs {requirement.name}{requirement.specifier}; {have}",
                pip("install", "--upgrade", f"{requirement.name}{requirement.specifier}"),
            )
        if not missing:
            yield Finding(True, f"{name} {tier.version}, and everything it requires")


def files() -> Iterator[Finding]:
    """Whether the installed files of each tier are still those that were installed."""
    for name in DISTRIBUTIONS:
        try:
            tier = distribution(name)
        except PackageNotFoundError:
            continue
        changed = changed_files(tier)
        if changed:
            listed = ", ".join(changed[:3]) + (" ..." if len(changed) > 3 else "")
            count = f"{len(changed)} file{'s' if len(changed) > 1 else ''}"
            yield Finding(
                False,
                f"{count} of {name} changed or vanished since the installation: {listed}",
                reinstall(name),
            )


def tiers() -> Iterator[Finding]:
    """Tiers that announce themselves and cannot be loaded."""
    from tinytorch.course.tiers import find_tiers

    for fault in find_tiers().faults:
        yield Finding(
            False,
            f"the tier {fault.name!r} of {fault.distribution} is left out: {fault.reason}",
            pip("install", "--upgrade", fault.distribution),
        )


def changed_files(tier: Distribution) -> list[str]:
    """Files whose content is not what the installation recorded; none for an editable one.

    Read from RECORD itself: since Python 3.12, `Distribution.files` leaves missing files out.
    """
    changed = []
    for path, recorded, _ in csv.reader((tier.read_text("RECORD") or "").splitlines()):
        mode, _, wanted = recorded.partition("=")
        if mode != "sha256" or path.endswith(".pyc"):
            continue
        try:
            digest = hashlib.sha256(Path(str(tier.locate_file(path))).read_bytes()).digest()
        except OSError:
            digest = b""
        if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != wanted:
            changed.append(path)
    return changed


def reinstall(name: str) -> str:
    """The command that installs a tier again, from where it came."""
    source, editable = name, False
    try:
        record = json.loads(distribution(name).read_text("direct_url.json") or "{}")
        source = record.get("url", name).removeprefix("file://")
        editable = bool(record.get("dir_info", {}).get("editable"))
    except (PackageNotFoundError, ValueError):
        pass  # then by its name
    return pip("install", "--force-reinstall", "--no-deps", *["-e"] * editable, source)


def _plain(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _source() -> str:
    """The folder that `pip install` would want: that of pyproject.toml, above src/tinytorch."""
    from tinytorch.tito.health import HOME

    return str(HOME.parents[1])


CHECKS: tuple[Check, ...] = (strangers, versions, files, tiers)
