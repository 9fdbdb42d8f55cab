"""Convolution by rows: the columns of a kernel's row side by side, then a product for each row.

A padded chunk p (m, H', W', C) is spread out to e (m, H', W'', kw C), which holds for each output
column what one row of the kernel sees. Then y = sum over i of e[:, rows i] @ w[i], with w[i] of
(kw C, O). The spreading copies kw numbers for each, not kh kw as columns of whole windows do.

Backward, in steps of 1: dx is itself a convolution, of g with the kernel turned by half a circle;
and the same spread g serves dw, as x' @ e[rows i], so x is neither padded nor spread. In larger
steps g does not meet all rows, and dx is added up from the products with w' instead.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinytorch.arch.kernels.frames import CHUNK, channels_last, frame
from tinytorch.arch.walks import Walk
from tinytorch.core.kernels.blocks import scratch
from tinytorch.core.primitive import Array


def rows_met(way: Walk, i: int) -> slice:
    """The rows of the padded image that row i of the kernel meets."""
    start, step = i * way.dilation[0], way.stride[0]
    return slice(start, start + step * (way.out[0] - 1) + 1, step)


def spread(images: Array, way: Walk) -> Array:
    """Put images (m, H, W, C) into their frame, and spread them out: (m, H', W'', kw C)."""
    count = len(images)
    stage = frame("rows", count, images.shape[1:], way)
    stage.inside[...] = images
    seen = stage.spread
    flat = scratch("conv2d spread", seen.size).reshape(seen.shape)
    np.copyto(flat, seen)
    return flat.reshape(*seen.shape[:3], -1)


def convolve(seen: Array, matrices: Array, way: Walk, y: Array) -> None:
    """Write the sum over kernel rows of seen[rows i] @ matrices[i] into y (m, H'', W'', O)."""
    np.matmul(seen[:, rows_met(way, 0)], matrices[0], out=y)
    part = scratch("conv2d part", y.size).reshape(y.shape)
    for i in range(1, len(matrices)):
        np.matmul(seen[:, rows_met(way, i)], matrices[i], out=part)
        np.add(y, part, out=y)


def step_of(count: int, shape: tuple[int, ...], way: Walk) -> int:
    """How many images (H, W, C) to spread out at a time."""
    height = shape[0] + way.before[0] + way.after[0]
    return min(count, max(1, CHUNK // (height * way.out[1] * way.kernel[1] * shape[2])))


def forward(x: Array, weight: Array, bias: Array | None, way: Walk) -> Array:
    count, outputs = len(x), len(weight)
    # (O, C, kh, kw) -> (kh, kw C, O)
    matrices = np.ascontiguousarray(weight.transpose(2, 3, 1, 0)).reshape(
        way.kernel[0], -1, outputs
    )
    y = np.empty((count, *way.out, outputs), np.float32)
    images = x.transpose(0, 2, 3, 1)
    step = step_of(count, images.shape[1:], way)
    for start in range(0, count, step):
        part = y[start : start + step]
        convolve(spread(images[start : start + step], way), matrices, way, part)
        if bias is not None:
            np.add(part, bias, out=part)
    return y.transpose(0, 3, 1, 2)


def backward(
    g: Array, x: Array, weight: Array, way: Walk, needs: list[bool]
) -> tuple[Array | None, Array | None]:
    """Return the gradients of x and weight; g is (N, H'', W'', O), contiguous."""
    back = way_back(x.shape[2:], way)
    if back is None:
        return backward_in_steps(g, x, weight, way, needs)
    count, channels, height, width = x.shape
    outputs, (kernel_rows, kernel_columns) = len(weight), way.kernel
    images = channels_last(x) if needs[1] else None
    # the kernel turned by half a circle, (O, C, kh, kw) -> (kh, kw O, C)
    turned = np.ascontiguousarray(weight[:, :, ::-1, ::-1].transpose(2, 3, 0, 1))
    matrices = turned.reshape(kernel_rows, -1, channels)
    dx = np.empty((count, height, width, channels), np.float32) if needs[0] else None
    total = np.zeros((kernel_rows, channels, kernel_columns * outputs), np.float32)
    share = np.empty(total.shape[1:], np.float32)
    step = step_of(count, g.shape[1:], back)
    for start in range(0, count, step):
        seen = spread(g[start : start + step], back)
        if dx is not None:
            convolve(seen, matrices, back, dx[start : start + step])
        if images is None:
            continue
        for image, spread_g in zip(images[start : start + step], seen, strict=True):
            pixels = image.reshape(-1, channels).T
            for i in range(kernel_rows):
                met = spread_g[rows_met(back, i)].reshape(-1, share.shape[1])
                total[i] += np.matmul(pixels, met, out=share)
    dweight = None
    if needs[1]:
        whole = total.reshape(kernel_rows, channels, kernel_columns, outputs)
        dweight = np.ascontiguousarray(whole[::-1, :, ::-1].transpose(3, 1, 0, 2))
    return None if dx is None else dx.transpose(0, 3, 1, 2), dweight


def way_back(image: Any, way: Walk) -> Walk | None:
    """The walk of the turned kernel over g that gives dx; None where there is none."""
    reach = [d * (k - 1) for k, d in zip(way.kernel, way.dilation, strict=True)]
    before = reach[0] - way.before[0], reach[1] - way.before[1]
    after = reach[0] - way.after[0], reach[1] - way.after[1]
    if way.stride != (1, 1) or min(before) < 0 or min(after) < 0:
        return None
    return way._replace(before=before, after=after, out=tuple(image))


def backward_in_steps(
    g: Array, x: Array, weight: Array, way: Walk, needs: list[bool]
) -> tuple[Array | None, Array | None]:
    count, channels, height, width = x.shape
    outputs, (kernel_rows, kernel_columns) = len(weight), way.kernel
    (top, left), (bottom, right) = way.before, way.after
    images = x.transpose(0, 2, 3, 1)
    # (O, C, kh, kw) -> (kh, O, kw C)
    matrices = np.ascontiguousarray(weight.transpose(2, 0, 3, 1)).reshape(kernel_rows, outputs, -1)
    framed = top + height + bottom, left + width + right
    whole = np.zeros((count, *framed, channels), np.float32) if needs[0] else None
    total = np.zeros((kernel_rows, kernel_columns * channels, outputs), np.float32)
    columns = [
        slice(j * way.dilation[1], j * way.dilation[1] + way.stride[1] * (way.out[1] - 1) + 1,
              way.stride[1])
        for j in range(kernel_columns)
    ]  # fmt: skip
    step = step_of(count, images.shape[1:], way)
    for start in range(0, count, step):
        part = g[start : start + step]
        g_rows = part.reshape(-1, outputs)
        seen = spread(images[start : start + step], way) if needs[1] else None
        for i in range(kernel_rows):
            met = rows_met(way, i)
            if seen is not None:
                total[i] += seen[:, met].reshape(len(g_rows), -1).T @ g_rows
            if whole is not None:
                shares = (g_rows @ matrices[i]).reshape(*part.shape[:3], kernel_columns, channels)
                for j, column in enumerate(columns):
                    whole[start : start + step, met, column] += shares[:, :, :, j]
    dx = dweight = None
    if whole is not None:
        inside = whole[:, top : top + height, left : left + width]
        dx = inside.transpose(0, 3, 1, 2)
    if needs[1]:
        split = total.reshape(kernel_rows, kernel_columns, channels, outputs)
        dweight = np.ascontiguousarray(split.transpose(3, 2, 0, 1))
    return dx, dweight
