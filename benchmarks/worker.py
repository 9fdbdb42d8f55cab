"""One framework, one case, in a process of its own: reads how many steps to do, answers the time.

    python worker.py tinytorch "mlp step, batch 64" 1

Prints the peak memory in bytes that a step needed, then, for each line with a number of steps, the
seconds of CPU time and of wall time that they took. Left out: deciding who runs when (`run.py`).
"""

import resource
import sys
import time

from all_cases import CASES


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> None:
    framework, name, threads = sys.argv[1:]
    if framework == "torch":
        import torch

        torch.set_num_threads(int(threads))
    else:
        import tinytorch.core.autograd
        import tinytorch.optim  # noqa: F401
    case = next(case for case in CASES if case.name == name)
    before = peak()
    step = getattr(case, framework)()
    for _ in range(3):
        step()
    print(peak() - before, flush=True)
    for line in sys.stdin:
        cpu, wall = time.process_time(), time.perf_counter()
        for _ in range(int(line)):
            step()
        print(time.process_time() - cpu, time.perf_counter() - wall, flush=True)


if __name__ == "__main__":
    main()
