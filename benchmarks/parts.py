"""Where the time of a step goes: NumPy's parts beside PyTorch's, one thread, CPU time.

    python benchmarks/parts.py [--rounds 15]

A ratio to PyTorch has a floor: what NumPy itself takes for the arithmetic. This prints the parts of
the MLP step of `cases.py` (batch 64) and of softmax (8192 x 512) in microseconds, medians of rounds
that take turns. Only one thread, so both frameworks may share a process.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"  # before NumPy is imported

import numpy as np  # noqa: E402
import torch  # noqa: E402

import tinytorch  # noqa: E402
from tinytorch.optim import Adam  # noqa: E402

ROUND_SECONDS = 0.03
LAYERS = ((784, 128), (128, 64), (64, 10))
BATCH = 64
ROWS = np.random.default_rng(0).standard_normal((8192, 512), np.float32)
OUT = np.empty((256, 512), np.float32)
Parts = dict[str, Callable[[], object]]


def matrix_products(framework: str) -> Callable[[], None]:
    """The eight products of a forward and backward pass: x @ w, x.T @ g, and g @ w.T but once."""
    rng = np.random.default_rng(0)
    arrays = [
        [rng.random(shape, np.float32) for shape in ((BATCH, i), (i, o), (BATCH, o))]
        for i, o in LAYERS
    ]
    layers = [[torch.from_numpy(a) for a in three] for three in arrays]
    work = layers if framework == "torch" else arrays

    def run() -> None:
        for number, (x, w, g) in enumerate(work):
            x @ w
            x.T @ g
            if number:  # nobody wants the gradient of the pictures
                g @ w.T

    return run


def adam_step(framework: str) -> Callable[[], object]:
    """One step on the network's weights and biases."""
    shapes = [shape for i, o in LAYERS for shape in ((i, o), (o,))]
    if framework == "torch":
        theirs = [torch.nn.Parameter(torch.zeros(shape)) for shape in shapes]
        for parameter in theirs:
            parameter.grad = torch.ones_like(parameter)
        return torch.optim.Adam(theirs).step
    ours = [tinytorch.zeros(*shape, requires_grad=True) for shape in shapes]
    optimizer = Adam(ours)
    gradients = [np.ones(shape, np.float32) for shape in shapes]

    def step() -> None:
        for parameter, gradient in zip(ours, gradients, strict=True):
            parameter.grad = gradient.view()  # new ones, as after each backward pass
        optimizer.step()
        optimizer.zero_grad()

    return step


def exponentials() -> None:
    """NumPy's exp of 8192 x 512, some rows at a time, so that they stay in the cache."""
    for start in range(0, len(ROWS), len(OUT)):
        np.exp(ROWS[start : start + len(OUT)], out=OUT)


def softmax(framework: str) -> Callable[[], object]:
    """The whole of it."""
    if framework == "torch":
        theirs = torch.from_numpy(ROWS)
        return lambda: torch.softmax(theirs, -1)
    ours = tinytorch.Tensor(ROWS)
    return lambda: tinytorch.softmax(ours)


PARTS: Parts = {
    "MLP, matrix products, NumPy": matrix_products("numpy"),
    "MLP, matrix products, PyTorch": matrix_products("torch"),
    "MLP, Adam, TinyTorch": adam_step("tinytorch"),
    "MLP, Adam, PyTorch": adam_step("torch"),
    "softmax, TinyTorch": softmax("tinytorch"),
    "softmax, PyTorch": softmax("torch"),
    "of it, NumPy's exp alone": exponentials,
}


def timed(run: Callable[[], object]) -> float:
    """CPU seconds of one call, over some calls."""
    count, seconds = 0, 0.0
    start = time.process_time()
    while seconds < ROUND_SECONDS:
        run()
        count += 1
        seconds = time.process_time() - start
    return seconds / count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    times: dict[str, list[float]] = {name: [] for name in PARTS}
    for _ in range(rounds + 1):  # the first is warm-up
        for name, run in PARTS.items():
            times[name].append(timed(run))
    print("| part | microseconds |\n| --- | ---: |")
    for name, found in times.items():
        print(f"| {name} | {statistics.median(found[1:]) * 1e6:.0f} |")


if __name__ == "__main__":
    main()
