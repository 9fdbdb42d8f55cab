"""Time TinyTorch against PyTorch, taking turns, and print the ratios with their spread.

    python benchmarks/run.py [words ...] [--threads 1 2] [--rounds 20] [--json F] [--markdown F]

See README.md beside this file for what is measured and how.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from all_cases import CASES
from cases import Case

HERE = Path(__file__).parent
ROUND_SECONDS = 0.15  # long against the clock's resolution, short against the machine's moods


class Worker:
    """A process that does steps of one case in one framework when asked to."""

    def __init__(self, framework: str, case: Case, threads: int) -> None:
        names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "worker.py"), framework, case.name, str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | dict.fromkeys(names, str(threads)),
        )
        self.peak_bytes = int(self._line())
        self.steps = 1
        while (seconds := self.run()[1] * self.steps) < ROUND_SECONDS / 2:
            self.steps = max(self.steps + 1, int(self.steps * ROUND_SECONDS / max(seconds, 1e-3)))

    def _line(self) -> str:
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"a worker stopped: {self.process.args}")
        return line

    def run(self) -> tuple[float, float]:
        """Do one round; return CPU and wall seconds per step."""
        assert self.process.stdin
        self.process.stdin.write(f"{self.steps}\n")
        self.process.stdin.flush()
        cpu, wall = (float(number) / self.steps for number in self._line().split())
        return cpu, wall

    def stop(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()


def compare(case: Case, threads: int, rounds: int) -> dict[str, object]:
    """Let both frameworks take turns; return medians, ratios and memory."""
    ours, theirs = Worker("tinytorch", case, threads), Worker("torch", case, threads)
    clock = 0 if threads == 1 else 1  # CPU time with one thread, wall time with more
    pairs = [(ours.run()[clock], theirs.run()[clock]) for _ in range(rounds)]
    ours.stop()
    theirs.stop()
    low, middle, high = statistics.quantiles([a / b for a, b in pairs], n=4)
    return {
        "case": case.name,
        "what": case.what,
        "threads": threads,
        "ratio": middle,
        "quartiles": [low, high],
        "goal": case.goals[threads - 1] if threads <= 2 else None,
        "tinytorch_seconds": statistics.median(a for a, _ in pairs),
        "torch_seconds": statistics.median(b for _, b in pairs),
        "tinytorch_peak_bytes": ours.peak_bytes,
        "torch_peak_bytes": theirs.peak_bytes,
    }


def row(result: dict[str, object]) -> str:
    """One line of the Markdown table."""
    low, high = result["quartiles"]  # type: ignore[misc]
    goal = result["goal"]
    met = "" if goal is None else f"{goal:.2f}"
    memory = " / ".join(
        f"{result[k] / 2**20:.0f}" for k in ("tinytorch_peak_bytes", "torch_peak_bytes")
    )  # type: ignore[operator]
    times = " / ".join(f"{result[k] * 1e6:.4g}" for k in ("tinytorch_seconds", "torch_seconds"))  # type: ignore[operator]
    return (
        f"| {result['case']} ({result['what']}) | {result['threads']} | **{result['ratio']:.2f}** "
        f"| {low:.2f}-{high:.2f} | {met} | {times} | {memory} |"
    )


HEADER = """| case | threads | ratio | quartiles | goal | microseconds | peak MiB |
| --- | ---: | ---: | ---: | ---: | ---: | ---: |"""


def environment() -> dict[str, str]:
    """What the numbers depend on."""
    names = ("tinytorch-core", "numpy", "torch")
    return {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cores": str(os.cpu_count()),
        **{name: version(name) for name in names},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("words", nargs="*", help="run the cases whose name contains one of these")
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--json", type=Path, help="write the results here")
    parser.add_argument("--markdown", type=Path, help="write the table here")
    options = parser.parse_args()
    chosen = [c for c in CASES if not options.words or any(w in c.name for w in options.words)]
    if not chosen:
        names = "\n  ".join(case.name for case in CASES)
        parser.error(f"no case is called so; there are\n  {names}")
    print(HEADER, flush=True)
    results = []
    for case in chosen:
        for threads in options.threads:
            results.append(compare(case, threads, options.rounds))
            print(row(results[-1]), flush=True)
    record = {"environment": environment(), "rounds": options.rounds, "results": results}
    if options.json:
        options.json.write_text(json.dumps(record, indent=2) + "\n")
    if options.markdown:
        facts = ", ".join(f"{name} {value}" for name, value in environment().items())
        table = "\n".join([HEADER, *map(row, results)])
        options.markdown.write_text(f"{facts}; {options.rounds} rounds\n\n{table}\n")


if __name__ == "__main__":
    main()
