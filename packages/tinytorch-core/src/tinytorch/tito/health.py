"""What `tito doctor` looks at on this machine: Python, NumPy and its BLAS, folders, disk space.

Each check yields findings. NumPy is imported here and may be broken. Left out: installed
distributions (`installed.py`).
"""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from tinytorch.tito.finding import Finding, pip, set_variable

Check = Callable[[], Iterator[Finding]]

HOME = Path(__file__).parents[1]  # the folder of the package
FLOOR = ">=3.11"  # where the installation does not say which Python is needed
ROOM = 500_000_000  # bytes: CIFAR-10, packed and unpacked, and some air

# the variables that limit a BLAS, the one that decides first
THREADS = {
    "openblas": ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"),
    "mkl": ("MKL_NUM_THREADS", "OMP_NUM_THREADS"),
    "accelerate": ("VECLIB_MAXIMUM_THREADS",),
}


def python() -> Iterator[Finding]:
    """Python's version against what tinytorch-core asks for."""
    from packaging.specifiers import SpecifierSet

    version = platform.python_version()
    try:
        needed = distribution("tinytorch-core").metadata.json.get("requires_python", FLOOR)
    except PackageNotFoundError:
        needed = FLOOR
    ok = SpecifierSet(str(needed)).contains(version, prereleases=True)
    repair = "" if ok else "install a newer Python, and TinyTorch in an environment of it"
    yield Finding(ok, f"Python {version}; needs {needed}", repair)


def numpy() -> Iterator[Finding]:
    """Whether NumPy can be imported, and with which BLAS and how many threads."""
    try:
        import numpy as np
    except Exception as error:  # a broken installation raises whatever it likes
        reason = " ".join(str(error).split())[:200]
        repair = pip("install", "--force-reinstall", "numpy>=2.0")
        yield Finding(False, f"NumPy cannot be imported: {reason}", repair)
        return
    if int(np.__version__.partition(".")[0]) < 2:
        repair = pip("install", "--upgrade", "numpy>=2.0")
        yield Finding(False, f"NumPy {np.__version__}; needs >=2.0", repair)
        return
    yield Finding(True, f"NumPy {np.__version__}, {_blas()}")
    yield from threads(_blas())


def _blas() -> str:
    """The BLAS that NumPy was built with, by NumPy's own account."""
    import numpy as np

    try:
        built = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
        return f"BLAS: {built['name']} {built['version']}"
    except Exception:  # the form of this report is not promised
        return "BLAS: not told by this build of NumPy"


def threads(blas: str) -> Iterator[Finding]:
    """How many threads the BLAS may use, as far as the environment says."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    known = [names for name, names in THREADS.items() if name in blas.lower()]
    for variable in known[0] if known else ("OMP_NUM_THREADS",):
        value = os.environ.get(variable)
        if not value:
            continue
        ok = value.isdecimal() and int(value) > 0
        found = f"BLAS threads: {variable}={value}, on {cores} cores"
        repair = set_variable(variable, str(cores))
        yield Finding(
            ok, found if ok else f"{found}: not a number of threads", "" if ok else repair
        )
        return
    found = f"BLAS threads: not limited by the environment, {cores} cores"
    busy = "on a busy machine OMP_NUM_THREADS=1 can be many times faster"
    yield Finding(True, f"{found}; {busy}" if cores > 1 else found)


def shadows() -> Iterator[Finding]:
    """Files of the current folder that Python would import instead of TinyTorch or NumPy."""
    clear = True
    for name in ("tinytorch", "numpy"):
        for path in (Path(name, "__init__.py"), Path(f"{name}.py")):
            if path.is_file() and path.resolve() != (HOME / "__init__.py").resolve():
                clear = False
                culprit = path.parent if path.parent.name else path
                yield Finding(
                    False,
                    f"{culprit.absolute()} is in the current folder: Python programs started here "
                    f"import it instead of {name}",
                    f"mv {culprit} my_{culprit}",
                )
    if clear:
        yield Finding(True, "nothing in the current folder hides tinytorch")


def data_folder() -> Iterator[Finding]:
    """TINYTORCH_DATA: unset, or a folder that is there and holds a data set."""
    from tinytorch.datasets import folders
    from tinytorch.datasets.catalogue import ENTRIES
    from tinytorch.datasets.errors import DatasetMissingError

    try:
        folder = folders.data_folder()
    except DatasetMissingError as error:
        yield Finding(False, str(error), set_variable("TINYTORCH_DATA", None))
        return
    if folder is None:
        yield Finding(True, "TINYTORCH_DATA: not set")
        return
    held = [entry.name for entry in ENTRIES if not folders.lacking(entry)]
    if held:
        yield Finding(True, f"TINYTORCH_DATA: {folder}, with {', '.join(held)}")
        return
    first, *others = ENTRIES
    also = " or ".join(entry.name for entry in others)
    found = f"{folders.lacking(first)}. Nor does it hold {also}"
    yield Finding(False, found, set_variable("TINYTORCH_DATA", None))


def cache() -> Iterator[Finding]:
    """The cache folder: whether it can be written, and the room that is left there."""
    from tinytorch.datasets.folders import cache_folder

    folder = cache_folder()
    elsewhere = set_variable("TINYTORCH_CACHE", str(Path(tempfile.gettempdir(), "tinytorch")))
    there = next(path for path in (folder, *folder.parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        reason = error.strerror or str(error)
        yield Finding(False, f"the cache {folder} cannot be written: {reason}", elsewhere)
        return
    yield Finding(True, f"the cache {folder} can be written")
    free = shutil.disk_usage(there).free
    ok = free >= ROOM
    found = f"{free / 1e9:.1f} GB free there" + ("" if ok else f"; {ROOM / 1e9:.1f} GB are needed")
    yield Finding(
        ok, found, "" if ok else elsewhere.replace(tempfile.gettempdir(), "/a/larger/disk")
    )


def output() -> Iterator[Finding]:
    """The encoding of standard output; any will do."""
    name = (sys.stdout.encoding or "unknown").lower()
    plain = "" if name.startswith("utf") else ": plots and accents are written plainly"
    yield Finding(True, f"output encoding {name}{plain}")


CHECKS: tuple[Check, ...] = (python, numpy)
PLACES: tuple[Check, ...] = (shadows, data_folder, cache, output)
