"""tito in a process of its own, as a user has it; and distributions that only seem installed."""

import os
import subprocess
import sys
from pathlib import Path

NO_NETWORK = dict.fromkeys(("http_proxy", "https_proxy", "HTTPS_PROXY"), "http://127.0.0.1:9")


def environment(folder: Path, **variables: str) -> dict[str, str]:
    """This process's environment, without its data sets, network and settings of the screen."""
    dropped = ("TINYTORCH_DATA", "NO_COLOR", "COLUMNS", "PYTHONIOENCODING", "PYTHONPATH")
    kept = {name: value for name, value in os.environ.items() if name not in dropped}
    return {**kept, **NO_NETWORK, "TINYTORCH_CACHE": str(folder / "cache"), **variables}


def tito(
    *arguments: str, cwd: Path, python: tuple[str, ...] = (), **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run `python -m tinytorch ARGUMENTS` in folder `cwd`."""
    return subprocess.run(
        [sys.executable, *python, "-m", "tinytorch", *arguments],
        cwd=cwd,
        env=environment(cwd, **variables),
        capture_output=True,
        text=True,
        encoding="latin-1" if "PYTHONIOENCODING" in variables else "utf-8",
        timeout=300,
    )


def pretend_installed(
    folder: Path,
    name: str,
    version: str,
    metadata: tuple[str, ...] = (),
    **files: str,
) -> Path:
    """Write what pip leaves of a distribution into `folder`, to be put on PYTHONPATH.

    metadata  further lines, such as "Requires-Dist: numpy>=2"
    files     further files of its dist-info folder, dots as underscores: top_level_txt="tinytorch"
    """
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", *metadata]
    (info / "METADATA").write_text("\n".join(lines) + "\n", "utf-8")
    for file, text in files.items():
        stem, _, suffix = file.rpartition("_")
        (info / (f"{stem}.{suffix}" if suffix == "txt" else file)).write_text(text, "utf-8")
    return folder
