"""The gradient of a linear layer, with the bias' share summed by BLAS.

g.sum(axis=0) is a product of ones with g, and BLAS does that in a third of the time. Forward is
the plain definition: two calls, nothing to gain.
"""

from typing import Any

from tinytorch.core.kernels.blocks import FLOAT32, ones
from tinytorch.core.primitive import Array, Record, kernel


def forward(arrays: list[Any], params: dict[str, Any], saving: bool) -> tuple[Array, None] | None:
    if len(arrays) != 3:
        return None  # the plain definition says what is missing
    x, weight, bias = arrays
    fits = x.ndim and weight.ndim == 2 and x.shape[-1] == weight.shape[0]
    if not (fits and x.dtype is weight.dtype is FLOAT32):
        return None  # the plain definition computes it, or says what is wrong
    y = (x if x.ndim == 2 else x.reshape(-1, x.shape[-1])) @ weight
    if bias is not None:
        y += bias
    return y if x.ndim == 2 else y.reshape(*x.shape[:-1], weight.shape[1]), None


def backward(g: Array, call: Record) -> tuple[Any, ...]:
    x, weight = call.arrays[:2]
    needs_x, needs_weight, needs_bias = call.needs
    x_rows, g_rows = x, g
    if x.ndim != 2:
        x_rows, g_rows = x.reshape(-1, x.shape[-1]), g.reshape(-1, g.shape[-1])
    dx = (g_rows @ weight.T).reshape(x.shape) if needs_x else None
    dweight = x_rows.T @ g_rows if needs_weight else None
    dbias = ones(len(g_rows)) @ g_rows if needs_bias else None
    return dx, dweight, dbias


kernel("linear", forward, backward)
