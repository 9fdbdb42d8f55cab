"""GELU in one loop: x sigmoid(2 u), where u = x (c + k x^2) is what the tanh formula takes.

(1 + tanh(u)) / 2 is sigmoid(2 u), which one exponential gives.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tinytorch.core.kernels.blocks import FLOAT32, dense
from tinytorch.core.primitive import Array, Record, kernel
from tinytorch.opt.compiled.compiling import ONE, compiled, exp

C2 = np.float32(2 * math.sqrt(2 / math.pi))  # twice c and k, and three times that of k
K2 = np.float32(2 * 0.044715 * math.sqrt(2 / math.pi))
K6 = np.float32(6 * 0.044715 * math.sqrt(2 / math.pi))


@compiled
def values(x: Array, out: Array) -> None:
    for i in range(x.size):
        z = x[i]
        out[i] = z / (ONE + exp(-z * (C2 + K2 * z * z)))


@compiled
def slopes(x: Array, g: Array, out: Array) -> None:
    for i in range(x.size):
        z = x[i]
        s = ONE / (ONE + exp(-z * (C2 + K2 * z * z)))
        out[i] = g[i] * (s + z * s * (ONE - s) * (C2 + K6 * z * z))


def forward(arrays: list[Any], params: dict[str, Any], saving: bool) -> tuple[Array, None] | None:
    (x,) = arrays
    if type(x) is not np.ndarray or x.dtype is not FLOAT32:
        return None
    x = dense(x)
    out = np.empty_like(x)
    values(x.ravel("K"), out.ravel("K"))
    return out, None


def backward(g: Array, call: Record) -> Array:
    x = dense(call.arrays[0])
    out = np.empty_like(x)
    if g.strides != x.strides:
        same_order = np.empty_like(x)
        same_order[...] = g
        g = same_order
    slopes(x.ravel("K"), g.ravel("K"), out.ravel("K"))
    return out


kernel("gelu", forward, backward, into="compiled")
