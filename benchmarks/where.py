"""Where the time of a step goes: each framework's own operations, by what they took.

    python where.py "gpt decode, no cache" [--framework torch] [--steps 20] [--most 8]

For TinyTorch a listener at the door is told of each operation, forward and backward, and what it
took; what is not in the rows is the Python between operations. For PyTorch its profiler's "self CPU
time", which weighs small operations too heavily. Both by the wall's clock, of all steps the least,
so that a busy machine hardly shows. One thread. Also printed: the
pages a step was handed by the operating system, and the most memory that the process ever had,
libraries and all.
"""

import argparse
import os
import resource
import sys
from collections import defaultdict
from typing import Any

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"  # before NumPy is imported

from all_cases import CASES  # noqa: E402
from cases import Step  # noqa: E402

Rows = dict[str, tuple[float, float]]  # operation -> microseconds and calls of a step


def of_tinytorch(step: Step) -> Rows:
    from tinytorch.core.context import listening

    rows: dict[str, tuple[float, float]] = defaultdict(lambda: (0.0, 0))

    def hear(event: Any) -> None:
        name = f"{event.record.primitive.name}, {event.kind}"
        took, calls = rows[name]
        rows[name] = took + (event.stop - event.start) / 1e3, calls + 1

    with listening(hear):
        step()
    return rows


def of_torch(step: Step) -> Rows:
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU]) as found:
        step()
    return {row.key: (row.self_cpu_time_total, row.count) for row in found.key_averages()}


def fastest(steps: list[Rows]) -> Rows:
    """For each operation the least that a step spent in it: other work only ever adds."""
    return {name: min(step[name] for step in steps if name in step) for name in steps[0]}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("case", help="the name of a case, whole")
    parser.add_argument("--framework", choices=("tinytorch", "torch"), default="tinytorch")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--most", type=int, default=8, help="rows to print")
    options = parser.parse_args()
    case = next((case for case in CASES if case.name == options.case), None)
    if case is None:
        parser.error("no case is called so: see run.py")
    if options.framework == "torch":
        import torch

        torch.set_num_threads(1)
    else:
        import tinytorch.core.autograd
        import tinytorch.optim  # noqa: F401
    step = getattr(case, options.framework)()
    for _ in range(4):
        step()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(options.steps):
        step()
    after = resource.getrusage(resource.RUSAGE_SELF)
    look = of_torch if options.framework == "torch" else of_tinytorch
    rows = fastest([look(step) for _ in range(options.steps)])
    print(f"| {options.case}, {options.framework} | microseconds | calls |\n| --- | ---: | ---: |")
    for name, (took, calls) in sorted(rows.items(), key=lambda row: -row[1][0])[: options.most]:
        print(f"| {name} | {took:.4g} | {calls:g} |")
    print(f"| all {len(rows)} | {sum(took for took, _ in rows.values()):.4g} | |")
    pages = (after.ru_minflt - before) / options.steps
    peak = after.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 2**20
    print(f"\n{pages:.0f} pages a step; at most {peak:.0f} MiB")


if __name__ == "__main__":
    main()
