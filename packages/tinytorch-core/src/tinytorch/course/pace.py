"""How fast a student's module is, beside the installed one: a short measurement that is fair.

Two processes, alike but for that one module, take turns on one thread each, a few times; CPU time
is counted, and the ratio within a turn, so that a busy machine slows both. What
can be timed stands in the tier's `pace.py`. Left out: why one is slower (the profiler, module 14).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import IO, Any

from tinytorch.course import overlay
from tinytorch.course.catalogue import Subject

TURNS = 7
TURN = 0.015  # seconds of work in one turn, at least
PATIENCE = 30.0  # seconds for all of it
ONE_THREAD = dict.fromkeys(
    ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1"
)


@dataclass(frozen=True)
class Pace:
    """One program: seconds a call, and yours / reference, with the middle half of the turns."""

    what: str
    yours: float
    reference: float
    ratio: float
    low: float
    high: float


def measure(about: Subject, root: Path) -> list[Pace]:
    """Time what the tier names for a module; empty where there is nothing, or it went wrong."""
    package = about.lesson.module.rpartition(".")[0]
    if find_spec(f"{package}.pace") is None:
        return []
    command = [sys.executable, "-P", "-m", "tinytorch.course.pace", package, about.lesson.number]
    theirs = {overlay.WORKSPACE: str(root), overlay.BUILDING: about.file}
    environments = [
        {**os.environ, **ONE_THREAD, overlay.WITH: "reference", **theirs},
        {**os.environ, **ONE_THREAD, overlay.WORKSPACE: "off"},
    ]
    end = time.monotonic() + PATIENCE
    try:
        with _process(command, environments[0]) as yours, _process(command, environments[1]) as ref:
            pair = (yours, ref)
            names, _ = [_read(process, end) for process in pair]
            return [_pace(pair, index, name, end) for index, name in enumerate(names)]
    except (OSError, ValueError, TimeoutError):
        return []  # it has passed its checks; that it cannot be timed takes nothing from that


def _pace(pair: tuple[Any, Any], index: int, name: str, end: float) -> Pace:
    times: list[list[float]] = []
    for turn in range(TURNS):
        order = pair if turn % 2 == 0 else pair[::-1]
        found = {}
        for process in order:
            process.stdin.write(f"{index}\n")
            process.stdin.flush()
            found[id(process)] = float(_read(process, end))
        times.append([found[id(process)] for process in pair])
    ratios = sorted(yours / reference for yours, reference in times)
    quarter = len(ratios) // 4
    return Pace(
        what=name,
        yours=median(yours for yours, _ in times),
        reference=median(reference for _, reference in times),
        ratio=median(ratios),
        low=ratios[quarter],
        high=ratios[-1 - quarter],
    )


@contextmanager
def _process(command: list[str], environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def _read(process: subprocess.Popen[str], end: float) -> Any:
    """Read one answer; a process that takes too long is killed, which ends its output."""
    from threading import Timer

    assert process.stdout is not None
    timer = Timer(max(end - time.monotonic(), 0.01), process.kill)
    timer.start()
    try:
        return json.loads(process.stdout.readline())
    finally:
        timer.cancel()


def serve(package: str, number: str, questions: IO[str], answers: IO[str]) -> None:
    """In a process of its own: name the programs, then time the one that is asked for."""
    programs = getattr(import_module(f"{package}.pace"), "PROGRAMS", {})
    listed = programs[number]() if number in programs else []
    calls: list[Callable[[], object]] = [prepare() for _, prepare in listed]
    print(json.dumps([name for name, _ in listed]), file=answers, flush=True)
    counts = [0] * len(calls)
    for line in questions:
        index = int(line)
        counts[index] = counts[index] or _enough(calls[index])
        seconds = _seconds(calls[index], counts[index]) / counts[index]
        print(json.dumps(seconds), file=answers, flush=True)


def _enough(call: Callable[[], object]) -> int:
    """How many calls make a turn; the first ones are the warm-up."""
    call()
    count = 1
    while (taken := _seconds(call, count)) < TURN and count < 100_000:
        count = max(2 * count, int(count * TURN / max(taken, 1e-9)))
    return count


def _seconds(call: Callable[[], object], count: int) -> float:
    start = time.process_time()
    for _ in range(count):
        call()
    return time.process_time() - start


if __name__ == "__main__":
    output, sys.stdout = sys.stdout, sys.stderr  # what a student's code prints is no answer
    serve(sys.argv[1], sys.argv[2], sys.stdin, output)
