"""Mutation testing: `python run.py [MODULE ...]`. A mutant that no test notices is a bug.

For each module of `modules.toml`: copies the installed package and its tests to a temporary
folder, sees the tests pass there, changes the copy in one place after the other (`mutants.py`), and
runs the tests that reach the place (`covering.py`). Prints the survivors as differences, and exits
with 1 if there is one that `equivalent.toml` does not explain, or an explanation without a mutant.
The first time that a test notices something, it has to pass there without the mutant, too: else
it fails for another reason, say its place in the order, and has noticed nothing.

Each mutant gets a process forked from this one, which has imported what tests need but no
tinytorch; that saves most of the time. So it needs a system with fork, and `coverage`.
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import multiprocessing
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_variable] = "1"  # before NumPy is imported
os.environ["COVERAGE_CORE"] = "ctrace"  # the one that knows which test runs

HERE = Path(__file__).parent.resolve()
sys.path.insert(0, str(HERE))

import hypothesis  # noqa: E402
import hypothesis.strategies  # noqa: E402
import numpy.testing  # noqa: E402, F401
import pytest  # noqa: E402
import safetensors.numpy  # noqa: E402, F401
from covering import Chosen, Coverage, Recorder, noticed_by, until  # noqa: E402
from mutants import Mutant, mutants  # noqa: E402

SPARE_SECONDS = 30  # a mutant may take this much longer than five times its tests took
MEMORY = 3 << 30  # bytes of address space, for mutants that would fill all there is
OPTIONS = ["-x", "-q", "--tb=no", "-p", "no:cacheprovider"]
OPTIONS += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # of hypothesis, imported above
fork = multiprocessing.get_context("fork")


@dataclass(frozen=True)
class Module:
    """One line of modules.toml."""

    name: str  # "autograd", "kernels/gelu"
    tests: list[str]
    operations: list[str]

    def file(self, tree: Path) -> Path:
        return tree / "src" / "tinytorch" / "core" / f"{self.name}.py"


def read_modules() -> dict[str, Module]:
    """Return the modules that are mutated, by name."""
    table = tomllib.loads((HERE / "modules.toml").read_text("utf-8"))
    return {
        name: Module(name, [f"test_{t}.py" for t in row["tests"]], row.get("operations", []))
        for name, row in table.items()
    }


def read_equivalents(name: str) -> dict[tuple[str, str, str], str]:
    """Return the reasons why mutants of a module change nothing, by where, before and after."""
    table = tomllib.loads((HERE / "equivalent.toml").read_text("utf-8"))
    return {
        (row["where"], row["before"].strip(), after.strip()): row["reason"]
        for row in table.get(name, [])
        for after in ([row["after"]] if isinstance(row["after"], str) else row["after"])
    }


def copy_package(tree: Path) -> Path:
    """Copy the package as it is installed, its tests and their settings into a new folder."""
    spec = importlib.util.find_spec("tinytorch.core")  # imports tinytorch/__init__.py only
    if spec is None or spec.origin is None:
        raise SystemExit(
            "tinytorch is not installed: python -m pip install packages/tinytorch-core"
        )
    without = shutil.ignore_patterns("__pycache__", ".hypothesis", "mutation", "*.so")
    shutil.copytree(Path(spec.origin).parents[1], tree / "src" / "tinytorch", ignore=without)
    shutil.copytree(HERE.parent, tree / "tests", ignore=without)
    shutil.copy(HERE.parents[1] / "pyproject.toml", tree)
    for name in [name for name in sys.modules if name.partition(".")[0] == "tinytorch"]:
        del sys.modules[name]
    return tree


# In the child
def settle(tree: Path, log: Path) -> None:
    """Make this process one that imports tinytorch from `tree`, and writes to `log`."""
    os.setsid()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    os.chdir(tree)
    target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(target, 1)
    os.dup2(target, 2)
    sys.path.insert(0, str(tree / "src"))
    os.environ["PYTHONPATH"] = str(tree / "src")
    hypothesis.settings.register_profile(
        "mutation",
        derandomize=True,
        database=None,
        deadline=None,
        phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    hypothesis.settings.load_profile("mutation")


def record(module: Module, tree: Path, log: Path, answer: Any) -> None:
    """Run all tests of a module, and send a Coverage, or None if they fail."""
    settle(tree, log)
    recorder = Recorder(module.file(tree), module.operations)
    files = [str(tree / "tests" / test) for test in module.tests]
    code = pytest.main([*OPTIONS, "--tb=short", *files], plugins=[recorder])
    imported = sys.modules["tinytorch"].__file__ or ""
    answer.send(recorder.result() if code == 0 and imported.startswith(str(tree)) else None)
    answer.close()


def attack(module: Module, tree: Path, log: Path, tests: dict[str, float]) -> None:
    """Run `tests`, file after file, and exit with 0 if the mutant survives them all."""
    settle(tree, log)
    code = 0
    for name in module.tests:
        if code == 0 and any(f"/{name}::" in test for test in tests):
            code = pytest.main([*OPTIONS, str(tree / "tests" / name)], plugins=[Chosen(tests)])
            code = 0 if code == pytest.ExitCode.NO_TESTS_COLLECTED else code
    sys.stdout.flush()
    os._exit(int(code))


# In the parent
@dataclass
class Attempt:
    """A mutant at work in a tree."""

    mutant: Mutant
    tree: Path
    tests: dict[str, float]
    process: Any
    until: float


def cover(module: Module, tree: Path, log: Path) -> Coverage | None:
    """Return which tests run which lines of the unchanged module; None if one fails."""
    receive, send = fork.Pipe(duplex=False)
    process = fork.Process(target=record, args=(module, tree, log, send))
    process.start()
    send.close()
    try:
        coverage = receive.recv()
    except EOFError:
        coverage = None
    process.join()
    if coverage is None:
        tail = "\n".join(log.read_text("utf-8", "replace").splitlines()[-30:])
        print(f"{module.name}: its tests fail without any mutant:\n{tail}", flush=True)
    return coverage


def unchanged_survives(module: Module, tree: Path, tests: dict[str, float]) -> bool:
    """Whether the way in which mutants are tried lets the program pass as it is."""
    log = tree / "log.txt"
    process = fork.Process(target=attack, args=(module, tree, log, tests))
    process.start()
    process.join()
    if process.exitcode != 0:
        tail = "\n".join(log.read_text("utf-8", "replace").splitlines()[-30:])
        print(f"{module.name}: its tests fail without any mutant, in their order:\n{tail}")
    return bool(process.exitcode == 0)


def survivors(
    module: Module, found: list[Mutant], coverage: Coverage, trees: list[Path]
) -> Iterator[Mutant]:
    """Try every mutant, one process a tree, and yield those that no test notices."""
    waiting = [(mutant, coverage.tests(mutant.lines)) for mutant in reversed(found)]
    free, running = list(trees), list[Attempt]()
    original = module.file(trees[0]).read_text("utf-8")
    trusted = set[str]()  # tests that noticed something, and passed without it
    while waiting or running:
        while waiting and free:
            (mutant, tests), tree = waiting.pop(), free.pop()
            write(module.file(tree), mutant.source)
            arguments = (module, tree, tree / "log.txt", tests)
            process = fork.Process(target=attack, args=arguments)
            process.start()
            limit = 5 * sum(tests.values()) + SPARE_SECONDS
            running.append(Attempt(mutant, tree, tests, process, time.monotonic() + limit))
        wait([attempt.process.sentinel for attempt in running], timeout=1)
        for attempt in list(running):
            alive = attempt.process.is_alive()
            if alive and time.monotonic() < attempt.until:
                continue
            stop(attempt.process)
            running.remove(attempt)
            free.append(attempt.tree)
            survived = not alive and attempt.process.exitcode == 0
            name = "" if alive or survived else noticed_by(attempt.tree / "log.txt")
            if name in attempt.tests and name not in trusted:
                write(module.file(attempt.tree), original)
                before = until(name, module.tests, attempt.tests)
                survived = not unchanged_survives(module, attempt.tree, before)
                trusted |= set() if survived else {name}
            others = coverage.other_tests(attempt.mutant.lines, attempt.tests)
            if survived and others:
                waiting.append((attempt.mutant, others))
            elif survived:
                yield attempt.mutant


_clock = itertools.count(1_000_000_000, 2)  # seconds


def write(file: Path, source: str) -> None:
    """Write a file that is newer than what stood there, so that no bytecode of that is used."""
    seconds = next(_clock)
    file.write_text(source, "utf-8")
    os.utime(file, (seconds, seconds))


def stop(process: Any) -> None:
    """End a process, and whatever it started: it leads a session of its own."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        process.kill()
    process.join()


def run(module: Module, processes: int) -> bool:
    """Try the mutants of one module. Return whether all that survive are explained."""
    begun = time.monotonic()
    explained = read_equivalents(module.name)
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
        trees = [copy_package(Path(folder).resolve() / str(i)) for i in range(processes)]
        original = module.file(trees[0]).read_text("utf-8")
        coverage = cover(module, trees[0], trees[0] / "log.txt")
        if coverage is None or not unchanged_survives(module, trees[0], coverage.seconds):
            return False
        found = mutants(original)
        keys = {(m.where, m.before, m.after) for m in found}
        tried = [m for m in found if (m.where, m.before, m.after) not in explained]
        alive = []
        for mutant in survivors(module, tried, coverage, trees):
            alive.append(mutant)
            print(f"{module.name}: survived:\n{mutant}", flush=True)
    stale = [key for key in explained if key not in keys]
    for where, before, after in stale:
        print(f"{module.name}: equivalent.toml explains a mutant that is none: {where}")
        print(f"    - {before}\n    + {after}")
    minutes = (time.monotonic() - begun) / 60
    print(
        f"{module.name}: {len(found)} mutants, {len(tried) - len(alive)} killed, "
        f"{len(found) - len(tried)} equivalent, {len(alive)} survived, "
        f"{len(coverage.seconds)} tests, {minutes:.1f} minutes",
        flush=True,
    )
    return not alive and not stale


def main() -> int:
    """Try the modules named on the command line, or all."""
    modules = read_modules()
    parser = argparse.ArgumentParser(description="Mutation testing of tinytorch.core.")
    parser.add_argument("modules", nargs="*", metavar="MODULE", help=", ".join(modules))
    parser.add_argument("--processes", type=int, default=2, help="at a time (2)")
    chosen = parser.parse_args()
    unknown = [name for name in chosen.modules if name not in modules]
    if unknown:
        parser.error(f"modules.toml has no {', '.join(unknown)}; it has {', '.join(modules)}")
    good = [run(modules[name], chosen.processes) for name in chosen.modules or modules]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
