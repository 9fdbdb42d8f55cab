"""The machine a number was measured on: a record to keep beside it, and whether it was busy.

    print(environment().line())   # AMD EPYC, 2 cores, 25.0 GB, Linux ..., NumPy 2.4.6 (...)

Facts that change a measurement, read from where the system shows them; None for what it does not
show. Nothing private: no name of a host, a user or a folder. Left out: temperature, and what the
machine can do at most (`roofline.py`).
"""

from __future__ import annotations

import ctypes
import os
import platform
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from tinytorch.core.measurement import in_bytes

DISTRIBUTIONS = ("tinytorch-core", "tinytorch-arch", "tinytorch-opt", "tinytorch-olympics")
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
BUSY = 0.3  # programs that wanted to run, for each core, in the last minute


@dataclass(frozen=True)
class Environment:
    """What `environment` found; `record()` is the same for JSON."""

    cpu: str | None
    architecture: str
    cores: int  # that this process may use
    governor: str | None  # of the clock speed: "performance" is fixed, "powersave" is not
    memory_bytes: int | None
    system: str
    python: str
    numpy: str
    blas: str | None
    blas_threads: int | None
    thread_variables: dict[str, str]  # those that are set
    tinytorch: dict[str, str]  # versions by distribution
    commit: str | None  # of the folder at work; "+" after it: files differ from it
    load: float | None  # programs that ran or waited to, averaged over the last minute

    @property
    def busy(self) -> bool:
        """Whether other programs ran: what is measured now may be slower than it need be."""
        return self.load is not None and self.load > BUSY * self.cores

    @property
    def warnings(self) -> list[str]:
        """What stands between this machine and a number to trust, with what to do."""
        found = []
        if self.busy:
            found.append(
                f"the machine is busy: in the last minute {self.load:.1f} programs wanted its "
                f"{self.cores} cores. Stop them, wait a minute, and measure again"
            )
        if self.governor not in (None, "performance"):
            found.append(
                f"the clock speed changes with the load (governor {self.governor!r}): the first "
                "calls may be slow. sudo cpupower frequency-set --governor performance fixes it"
            )
        return found

    def record(self) -> dict[str, Any]:
        """All of it, as JSON can hold it."""
        return {**asdict(self), "busy": self.busy, "warnings": self.warnings}

    def line(self) -> str:
        """It in one line, for a reader."""
        threads = "?" if self.blas_threads is None else self.blas_threads
        parts = [
            self.cpu or self.architecture,
            f"{self.cores} core{'s' * (self.cores != 1)}",
            in_bytes(self.memory_bytes) if self.memory_bytes else "",
            self.system,
            f"Python {self.python}",
            f"NumPy {self.numpy} ({self.blas or 'BLAS unknown'}, threads: {threads})",
            *(f"{name} {number}" for name, number in self.tinytorch.items()),
            f"commit {self.commit}" if self.commit else "",
            "" if self.load is None else f"load {self.load:.2f}",
        ]
        return ", ".join(part for part in parts if part)


def environment(root: Path = Path("/")) -> Environment:
    """Read this machine now. `root` is where `proc` and `sys` are, for tests."""
    return Environment(
        cpu=cpu_model(root),
        architecture=platform.machine(),
        cores=cores(root),
        governor=_text(root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        memory_bytes=_memory(),
        system=_system(),
        python=platform.python_version(),
        numpy=np.__version__,
        blas=_blas(),
        blas_threads=blas_threads(),
        thread_variables={name: os.environ[name] for name in THREADS if name in os.environ},
        tinytorch=_versions(),
        commit=commit(),
        load=_load(),
    )


def cpu_model(root: Path = Path("/")) -> str | None:
    """What the processor is called: from Linux's tables, macOS' or Windows' own words."""
    table: dict[str, str] = {}
    for line in (_text(root / "proc/cpuinfo") or "").splitlines():
        name, _, value = line.partition(":")
        table.setdefault(name.strip(), value.strip())
    board = _text(root / "proc/device-tree/model")  # "Raspberry Pi 5 Model B Rev 1.0"
    found = table.get("model name") or board or table.get("Model") or table.get("Hardware")
    if not found and sys.platform == "darwin":
        found = _said_by("sysctl", "-n", "machdep.cpu.brand_string")
    return found or platform.processor() or None


def cores(root: Path = Path("/")) -> int:
    """How many cores this process may use: its affinity, and the quota of its container."""
    count = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        count = len(os.sched_getaffinity(0))
    quota, _, period = (_text(root / "sys/fs/cgroup/cpu.max") or "max").partition(" ")
    if quota.isdigit() and period.isdigit():
        count = min(count, max(1, -(-int(quota) // int(period))))  # half a core is one that stops
    return count


def blas_threads() -> int | None:
    """How many threads NumPy's matrix products use: asked of OpenBLAS; None for another BLAS.

    NumPy's wheels bring their OpenBLAS in a folder beside the package.
    """
    home = Path(np.__file__).parent
    for folder in (home.parent / "numpy.libs", home / ".dylibs"):
        for path in folder.glob("*openblas*"):
            try:
                library = ctypes.CDLL(str(path))
            except OSError:
                continue
            for name in ("scipy_openblas_get_num_threads64_", "openblas_get_num_threads64_"):
                ask: Callable[[], int] | None = getattr(library, name, None)
                if ask is not None:
                    return int(ask())
    return None


def commit(folder: Path | None = None) -> str | None:
    """The git commit of the folder at work, with "+" where files differ from it; None outside."""
    where = str(folder or Path.cwd())
    found = _said_by("git", "-C", where, "rev-parse", "--short=12", "HEAD")
    if not found:
        return None
    changed = _said_by("git", "-C", where, "status", "--porcelain", "--untracked-files=no")
    return found + ("+" if changed else "")


def _versions() -> dict[str, str]:
    found = {}
    for name in DISTRIBUTIONS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _blas() -> str | None:
    try:
        facts: dict[str, Any] = np.show_config(mode="dicts")  # type: ignore[assignment]
        blas = facts["Build Dependencies"]["blas"]
        return f"{blas['name']} {blas['version']}"
    except (KeyError, TypeError, AttributeError):
        return None


def _system() -> str:
    name = f"{platform.system()} {platform.release()}"
    if platform.system() == "Linux":
        try:
            return f"{platform.freedesktop_os_release()['PRETTY_NAME']}, {name}"
        except (OSError, KeyError):
            return name
    if sys.platform == "darwin":
        return f"macOS {platform.mac_ver()[0]}"
    return name


def _memory() -> int | None:
    try:
        return int(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        return None


def _load() -> float | None:
    try:
        return round(os.getloadavg()[0], 2)
    except (AttributeError, OSError):  # Windows has none
        return None


def _text(path: Path) -> str | None:
    try:
        return path.read_text("utf-8", errors="replace").strip("\0 \n") or None
    except OSError:
        return None


def _said_by(*command: str) -> str | None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None
