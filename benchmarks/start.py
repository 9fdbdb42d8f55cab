"""Time how long commands take to start: `python benchmarks/start.py [--rounds 20] [--limit 0.3]`.

Each is a process of its own, from a cold interpreter to its end, and they take turns. `tito` and
`tito list` run in an empty folder and in a workspace; `python -c pass` and `import numpy` stand
beside them, since no command can start faster than its interpreter. Prints the median of wall time,
its quartiles, and the median of CPU time. The limit is held against CPU time: a start has a single
thread and waits for nothing but the disk; whatever else the machine does only adds to wall time.
Left out: what commands do once they run.
"""

import argparse
import os
import platform
import resource
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

TITO = str(Path(sysconfig.get_path("scripts"), "tito"))


def cases(folder: Path) -> dict[str, tuple[list[str], Path]]:
    """Return each command and the folder it runs in, by the name to print."""
    empty, workspace = folder / "empty", folder / "my-tinytorch"
    empty.mkdir()
    subprocess.run([TITO, "init", str(workspace)], check=True, capture_output=True)
    python = [sys.executable, "-c"]
    return {
        "python -c pass": ([*python, "pass"], empty),
        "import numpy": ([*python, "import numpy"], empty),
        "import tinytorch": ([*python, "import tinytorch"], empty),
        "tito": ([TITO], empty),
        "tito list": ([TITO, "list"], empty),
        "tito, in a workspace": ([TITO], workspace),
        "tito list, in a workspace": ([TITO, "list"], workspace),
    }


def timed(command: list[str], folder: Path, environment: dict[str, str]) -> tuple[float, float]:
    """Run a command to its end and return its wall and its CPU time in seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return wall, cpu


def row(name: str, runs: list[tuple[float, float]]) -> str:
    walls = [1000 * wall for wall, _ in runs]
    low, middle, high = statistics.quantiles(walls, n=4)
    cpu = 1000 * cpu_of(runs)
    return f"| {name} | {middle:.0f} | {low:.0f}-{high:.0f} | **{cpu:.0f}** |"


def cpu_of(runs: list[tuple[float, float]]) -> float:
    return statistics.median(cpu for _, cpu in runs)


def main() -> None:
    parser = argparse.ArgumentParser(description="Time how long commands take to start.")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument(
        "--limit", type=float, default=0.3, help="seconds of CPU that tito may take"
    )
    options = parser.parse_args()
    dropped = ("TINYTORCH_WORKSPACE", "PYTHONDONTWRITEBYTECODE")
    environment = {name: value for name, value in os.environ.items() if name not in dropped}
    with tempfile.TemporaryDirectory() as folder:
        commands = cases(Path(folder).resolve())
        runs: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
        for number in range(options.rounds + 1):
            for name, (command, where) in commands.items():
                measured = timed(command, where, environment)
                if number:  # the first round fills the caches of files
                    runs[name].append(measured)
    print(
        f"python {platform.python_version()}, machine {platform.machine()}, cores "
        f"{os.cpu_count()}, tinytorch-core {version('tinytorch-core')}, "
        f"numpy {version('numpy')}; {options.rounds} rounds\n"
    )
    print("| started | wall, ms | quartiles | CPU, ms |\n| --- | ---: | ---: | ---: |")
    for name, found in runs.items():
        print(row(name, found))
    slow = [name for name in runs if name.startswith("tito") and cpu_of(runs[name]) > options.limit]
    if slow:
        sys.exit(f"more than {options.limit} s: {', '.join(slow)}")


if __name__ == "__main__":
    main()
