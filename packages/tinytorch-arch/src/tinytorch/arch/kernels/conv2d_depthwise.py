"""Convolution where each channel has a kernel of its own: products of images with numbers, no BLAS.

For each place of the kernel, the shifted image times that place's row of C weights is added up,
a chunk of images at a time, so that the padded chunk and its result stay in the cache.
"""

from __future__ import annotations

import numpy as np

from tinytorch.arch.kernels.conv2d_rows import way_back
from tinytorch.arch.kernels.frames import CHUNK, along_row, frame
from tinytorch.arch.walks import Walk
from tinytorch.core.kernels.blocks import ones, scratch
from tinytorch.core.primitive import Array


def fits(weight: Array, groups: int) -> bool:
    """Whether each channel has one kernel, and one output."""
    return groups > 1 and weight.shape[1] == 1 and len(weight) == groups


def places(way: Walk) -> list[tuple[int, int, slice, slice]]:
    """Each place of the kernel, with the rows and columns of the padded image it meets."""
    met = [
        [slice(i * d, i * d + s * (n - 1) + 1, s) for i in range(k)]
        for k, d, s, n in zip(way.kernel, way.dilation, way.stride, way.out, strict=True)
    ]
    return [(i, j, rows, columns) for i, rows in enumerate(met[0])
            for j, columns in enumerate(met[1])]  # fmt: skip


def step_of(x: Array) -> int:
    """How many images to take at a time: three arrays of them fit the cache."""
    return min(len(x), max(1, CHUNK // (3 * x[0].size)))


def rows_of(weight: Array, width: int) -> dict[tuple[int, int], Array]:
    """Return for each place of the kernel its C weights, repeated along an output row."""
    numbers = np.ascontiguousarray(weight[:, 0].transpose(1, 2, 0))  # (kh, kw, C)
    return {
        (i, j): along_row(numbers[i, j], width).reshape(width, -1)
        for i in range(numbers.shape[0])
        for j in range(numbers.shape[1])
    }


def forward(x: Array, weight: Array, bias: Array | None, way: Walk) -> Array:
    images = x.transpose(0, 2, 3, 1)
    y = np.empty((len(x), *way.out, x.shape[1]), np.float32)
    numbers = rows_of(weight, way.out[1])
    step = step_of(x)
    for start in range(0, len(x), step):
        part = y[start : start + step]
        stage = frame("depthwise", len(part), images.shape[1:], way)
        stage.inside[...] = images[start : start + step]
        product = scratch("depthwise", part.size).reshape(part.shape)
        part[...] = 0 if bias is None else bias
        for i, j, rows, columns in places(way):
            np.multiply(stage.padded[:, rows, columns], numbers[i, j], out=product)
            np.add(part, product, out=part)
    return y.transpose(0, 3, 1, 2)


def backward(
    g: Array, x: Array, weight: Array, way: Walk, needs: list[bool]
) -> tuple[Array | None, Array | None]:
    """Return the gradients of x and weight; g is (N, H'', W'', C), contiguous.

    In steps of 1, dx is the same convolution of g, with the kernel turned by half a circle.
    """
    back = way_back(x.shape[2:], way) if needs[0] else None
    if back is not None:
        turned = forward(g.transpose(0, 3, 1, 2), weight[:, :, ::-1, ::-1], None, back)
        return turned, backward(g, x, weight, way, [False, needs[1]])[1] if needs[1] else None
    images = x.transpose(0, 2, 3, 1)
    channels = x.shape[1]
    (top, left), (height, width) = way.before, x.shape[2:]
    dx = np.empty((len(x), height, width, channels), np.float32) if needs[0] else None
    numbers = rows_of(weight, way.out[1])
    total = np.zeros((*way.kernel, channels), np.float32)
    step = step_of(x)
    for start in range(0, len(x), step):
        part = g[start : start + step]
        stage = frame("depthwise", len(part), images.shape[1:], way)
        stage.inside[...] = images[start : start + step]
        product = scratch("depthwise", part.size).reshape(part.shape)
        flat = product.reshape(-1, channels)
        whole = None
        if dx is not None:
            whole = scratch("depthwise dx", stage.padded.size).reshape(stage.padded.shape)
            whole[...] = 0
        for i, j, rows, columns in places(way):
            if needs[1]:
                np.multiply(part, stage.padded[:, rows, columns], out=product)
                total[i, j] += ones(len(flat)) @ flat
            if whole is not None:
                np.multiply(part, numbers[i, j], out=product)
                whole[:, rows, columns] += product
        if dx is not None and whole is not None:
            dx[start : start + step] = whole[:, top : top + height, left : left + width]
    dweight = np.ascontiguousarray(total.transpose(2, 0, 1))[:, np.newaxis] if needs[1] else None
    return None if dx is None else dx.transpose(0, 3, 1, 2), dweight
