"""What is timed of tinytorch-opt's module 17: threads over the batch, and compiled kernels.

The steps are those of DESIGN's table. With one thread `BatchParallel` does nothing, so that row is
the same as without it. Compiled kernels are timed where numba is installed, one operation each.
"""

import os
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np
from cases import Case, Step, adam_tinytorch, adam_torch, function_tinytorch, function_torch
from cases_arch_language import layer_norm_tinytorch, layer_norm_torch, step_torch
from cases_arch_vision import cnn_torch

THREADS = int(os.environ.get("OMP_NUM_THREADS", "1"))


# Threads over the batch
def cnn_in_threads(batch: int) -> Step:
    from tinytorch import Tensor
    from tinytorch.nn import Conv2d, CrossEntropyLoss, Flatten, Linear, MaxPool2d, ReLU, Sequential
    from tinytorch.opt.parallel import BatchParallel
    from tinytorch.optim import Adam

    rng = np.random.default_rng(0)
    network = Sequential(
        Conv2d(3, 32, 3, padding=1), ReLU(), Conv2d(32, 32, 3, padding=1), ReLU(), MaxPool2d(2),
        Conv2d(32, 64, 3, padding=1), ReLU(), Conv2d(64, 64, 3, padding=1), ReLU(), MaxPool2d(2),
        Flatten(), Linear(4096, 10),
    )  # fmt: skip
    model = BatchParallel(network, THREADS)
    optimizer, loss = Adam(model.parameters(), lr=1e-3), CrossEntropyLoss()
    x = Tensor(rng.standard_normal((batch, 3, 32, 32), np.float32))
    labels = Tensor(np.arange(batch) % 10)

    def step() -> None:
        optimizer.zero_grad()
        loss(model(x), labels).backward()
        optimizer.step()

    return step


def gpt_in_threads(batch: int) -> Step:
    from tinytorch import Tensor
    from tinytorch.nn import Transformer
    from tinytorch.opt.parallel import BatchParallel
    from tinytorch.optim import AdamW

    rng = np.random.default_rng(0)
    model = BatchParallel(Transformer(65, 128, 4, 4, 128), THREADS)
    optimizer = AdamW(model.parameters(), lr=1e-3)
    x, y = (Tensor(rng.integers(0, 65, (batch, 128))) for _ in range(2))

    def step() -> None:
        optimizer.zero_grad()
        model(x, y).backward()
        optimizer.step()

    return step


# Compiled kernels
def compiled(build: Callable[[], Step]) -> Callable[[], Step]:
    def builder() -> Step:
        import tinytorch
        from tinytorch.opt import compiled

        compiled.load()
        tinytorch.kernels.use("compiled")
        return build()

    return builder


def _compiled(
    name: str, what: str, ours: Callable[[], Step], theirs: Callable[[], Any]
) -> list[Case]:
    there = find_spec("numba") is not None
    return [Case(f"compiled {name}", what, compiled(ours), theirs)] if there else []


CASES = [
    Case(
        "cnn step, batch 64, shares in threads",
        "BatchParallel, a share for each thread",
        lambda: cnn_in_threads(64),
        lambda: cnn_torch(64),
        (1.0, 1.4),
    ),
    Case(
        "gpt step, batch 16, shares in threads",
        "BatchParallel, a share for each thread",
        lambda: gpt_in_threads(16),
        lambda: step_torch(16),
        (1.05, 1.1),
    ),
    *_compiled(
        "gelu forward and backward",
        "8192 x 512",
        lambda: function_tinytorch("gelu", backward=True),
        lambda: function_torch("gelu", backward=True),
    ),
    *_compiled(
        "softmax forward and backward",
        "8192 x 512",
        lambda: function_tinytorch("softmax", backward=True),
        lambda: function_torch("softmax", backward=True),
    ),
    *_compiled(
        "layer_norm forward and backward",
        "8192 x 512",
        lambda: layer_norm_tinytorch(True),
        lambda: layer_norm_torch(True),
    ),
    *_compiled(
        "adam, 10M parameters",
        "PyTorch with fused=True",
        lambda: adam_tinytorch(1),
        lambda: adam_torch(1, fused=True),
    ),
    *_compiled(
        "gpt step, batch 16",
        "4 layers, d 128, T 128, AdamW",
        lambda: gpt_in_threads(16),
        lambda: step_torch(16),
    ),
]
