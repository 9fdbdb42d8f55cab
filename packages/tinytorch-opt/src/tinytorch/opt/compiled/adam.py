"""Adam in one loop: four numbers read and three written for each parameter, and that is all.

The constants are folded as in core's `kernels/adam.py`: lr sqrt(c2) / c1 and eps sqrt(c2), with
c1 = 1 - beta1^step and c2 = 1 - beta2^step.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinytorch.core.kernels.blocks import FLOAT32
from tinytorch.core.optimizers import adam_update as _defined  # noqa: F401  (it comes first)
from tinytorch.core.primitive import Array, kernel
from tinytorch.opt.compiled.compiling import ONE, compiled


@compiled
def update(p: Array, g: Array, m: Array, v: Array, options: Array) -> None:
    keep, decay, beta1, beta2, rate, eps = options
    for i in range(p.size):
        old = p[i]
        slope = g[i] + decay * old
        mean = beta1 * m[i] + (ONE - beta1) * slope
        square = beta2 * v[i] + (ONE - beta2) * slope * slope
        m[i] = mean
        v[i] = square
        p[i] = keep * old - rate * mean / (np.sqrt(square) + eps)


def forward(arrays: list[Any], params: dict[str, Any], saving: bool) -> Any:
    if not all(a.dtype is FLOAT32 and a.flags.c_contiguous for a in arrays):
        return None
    beta1, beta2 = params["betas"]
    step, lr, decay = params["step"], params["lr"], params.get("weight_decay", 0.0)
    decoupled = params.get("decoupled", False)
    root = math.sqrt(1 - beta2**step)
    options = np.array(
        [
            1 - lr * decay if decoupled else 1,
            0 if decoupled else decay,
            beta1,
            beta2,
            lr * root / (1 - beta1**step),
            params["eps"] * root,
        ],
        np.float32,
    )
    p, g, m, v = (a.reshape(-1) for a in arrays)
    update(p, g, m, v, options)
    return None, None


kernel("adam_update", forward, into="compiled")
