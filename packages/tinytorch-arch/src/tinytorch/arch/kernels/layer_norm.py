"""Layer norm by thin products (`norms.py`), with the variance from sums of x and of its squares.

With s = 1 / deviation, y = x s - mean s, times weight, plus bias. The variance is the mean square
less the squared mean. That loses digits where the mean is far from 0, so there (`FAR`) x is centred
first, which is one more walk through memory.

A single row, which is all that a model has which writes token by token, is a vector: five calls.

Backward never forms y. With dy = g * weight and mean(dy y) = s mean(dy x) - mean s mean(dy):
dx = s dy - (s s mean(dy y)) x + s (mean s mean(dy y) - mean(dy)).
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from tinytorch.arch.kernels.norms import fits, inverse_root, mean_square, pair, parts
from tinytorch.core.kernels.blocks import ones, rows
from tinytorch.core.primitive import Array, Record, kernel

FAR = 4  # deviations between mean and 0: rounding then weighs 1 + 4 * 4 times as much in a variance
NEAR = FAR * FAR / (1 + FAR * FAR)  # the same, as squared mean / mean square


class Saved(NamedTuple):
    """What forward leaves for backward: five numbers for each row."""

    factors: Array  # (rows, 4): s, 0, -mean s, 1; of centred rows s, 0, 0, 1
    taken: Array  # (rows, 1): what centring took from x


def of_one_row(x: Array, weight: Array | None, bias: Array | None, eps: float) -> Array:
    """Layer norm of an x that has one row; it keeps nothing for backward."""
    k = x.shape[-1]
    row = x.reshape(k)
    y: Array = row - float(row @ ones(k)) / k
    y /= math.sqrt(float(y @ y) / k + eps)
    if weight is not None:
        y *= weight
    if bias is not None:
        y += bias
    return y.reshape(x.shape)


def forward(
    arrays: list[Any], params: dict[str, Any], saving: bool
) -> tuple[Array, Saved | None] | None:
    if len(arrays) != 3 or not fits(*arrays):
        return None
    x, weight, bias = arrays
    k = x.shape[-1]
    if x.size == k and not saving:
        return of_one_row(x, weight, bias, params.get("eps", 1e-5)), None
    lines = rows(x)
    factors, taken = np.zeros((len(lines), 4), np.float32), np.zeros((len(lines), 1), np.float32)
    factors[:, 3] = 1
    both, eps = pair(weight, bias, k), params.get("eps", 1e-5)
    out = np.empty(x.shape, np.float32)
    for xs, ys, f, shift, product, added in parts(lines, rows(out), factors, taken):
        mean = xs @ ones(k)
        mean *= 1 / k
        square, variance = mean * mean, mean_square(xs)
        if (square <= NEAR * variance).all():  # false where there is a nan
            variance -= square
        else:
            shift[:, 0] = mean
            xs = xs - shift
            mean, variance = np.zeros_like(mean), mean_square(xs)
        s = f[:, 0] = inverse_root(variance, eps)
        np.multiply(mean, -s, out=f[:, 2])
        np.matmul(f[:, :2], both, out=product)
        np.multiply(product, xs, out=product)
        np.matmul(f[:, 2:], both, out=added)
        np.add(product, added, out=ys)
    return out, Saved(factors, taken) if saving else None


def backward(g: Array, call: Record) -> tuple[Any, ...]:
    x, weight, _ = call.arrays
    needs_x, needs_weight, needs_bias = call.needs
    saved: Saved = call.saved
    k = x.shape[-1]
    weights, same = (
        pair(weight, None, k),
        pair(None, None, k),
    )  # of weights and zeros, ones and zeros
    dx = np.empty(x.shape, np.float32) if needs_x else None
    dweight, sums = np.zeros(k, np.float32), np.zeros((2, k), np.float32)
    slopes = None if dx is None else rows(dx)
    for xs, gs, slope, f, shift, product, total in parts(rows(x), rows(g), slopes, *saved):
        if shift.any():
            xs = xs - shift
        np.multiply(gs, xs, out=product)
        if needs_weight:
            dweight += f[:, 0] @ product
        if needs_weight or needs_bias:
            sums += f[:, 2:].T @ gs  # (2, k): of -mean s g, and of g
        if slope is None:
            continue
        s, rest = f[:, 0], f[:, 2]
        mean_dy = gs @ weights[0] * (1 / k)
        along_x = product @ weights[0] * (1 / k)
        along_y = s * along_x + rest * mean_dy
        of_x, alone = np.zeros((2, len(xs), 2), np.float32)
        np.multiply(s * s, -along_y, out=of_x[:, 0])
        np.multiply(-s, rest * along_y + mean_dy, out=alone[:, 0])
        np.matmul(f[:, :2], weights, out=total)
        np.multiply(total, gs, out=total)
        np.matmul(of_x, same, out=product)
        np.multiply(product, xs, out=product)
        np.add(total, product, out=total)
        np.matmul(alone, same, out=product)
        np.add(total, product, out=slope)
    dweight += sums[0]
    return dx, dweight if needs_weight else None, sums[1] if needs_bias else None


kernel("layer_norm", forward, backward)
