"""What a milestone ran on, for its record: the processor, its cores, threads, and the commit.

Left out: versions of packages (`frame.py`), and who else used the machine, which nobody can tell.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from tinytorch.tito.threads import VARIABLES


def machine() -> str:
    """The machine in words: "x86_64 (AMD EPYC), 2 cores, 1 thread for matrix products"."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    name = processor()
    return (
        f"{platform.machine()}{f' ({name})' if name else ''}, {_count(str(cores or '?'), 'core')}, "
        f"{_count(threads(), 'thread')} for matrix products"
    )


def _count(number: str, what: str) -> str:
    return f"{number} {what}" + ("" if number == "1" else "s")


def threads() -> str:
    """How many threads the environment gives to BLAS; where it says nothing, BLAS decides."""
    asked = [os.environ[name] for name in VARIABLES if os.environ.get(name)]
    return asked[0] if asked else "the library's number of"


def processor() -> str:
    """The model of the processor, or "" where the system does not say."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return _asked("sysctl", "-n", "machdep.cpu.brand_string") or platform.processor()
    facts = {}
    for line in lines:
        key, colon, value = line.partition(":")
        if colon:
            facts[key.strip()] = value.strip()
    return facts.get("model name") or facts.get("Model") or ""  # the latter on a Raspberry Pi


def commit() -> str | None:
    """The commit of tinytorch-core that runs, with "-dirty" if files differ; None if not known.

    Known are an editable install from a checkout, and an install that pip made from a repository.
    """
    here = Path(__file__)
    if _asked("git", "-C", str(here.parent), "ls-files", "--error-unmatch", here.name):
        return _asked(
            "git", "-C", str(here.parent), "describe", "--always", "--dirty", "--exclude=*"
        )
    try:
        origin = json.loads(distribution("tinytorch-core").read_text("direct_url.json") or "{}")
    except (PackageNotFoundError, ValueError):
        return None
    found = origin.get("vcs_info", {}).get("commit_id")
    return None if found is None else str(found)[:7]


def _asked(*command: str) -> str | None:
    """What a program answers, or None where it fails or is not there."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None
