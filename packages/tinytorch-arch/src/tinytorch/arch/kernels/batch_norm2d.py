"""Batch normalisation as y = a x + b, and its gradient as dx = a g + c x + d, with C numbers each.

The plain definition walks through the images once for every sign in the formula. All that it asks
of them is two sums a channel; from these, a and b are worked out, on C numbers. The sums are
products with ones. Images are taken channels last, some rows of pixels at a time, while they are in
the cache; and a number for each channel is repeated along a row: NumPy is slow at short runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tinytorch.arch.kernels.frames import along_row, channels_last, is_images, is_row
from tinytorch.core.kernels.blocks import BLOCK, ones, scratch
from tinytorch.core.primitive import Array, Record, kernel


def fits(arrays: list[Any], count: int) -> bool:
    """Whether these are so many operands: images, and for each channel a number, or None."""
    x, *channels = arrays
    if len(arrays) != count or not is_images(x):
        return False
    return all(values is None or is_row(values, x.shape[1]) for values in channels)


def in_rows(images: Array) -> tuple[Array, int]:
    """Return images (N, H, W, C) as rows of pixels (rows, W C), and how many rows fit the cache."""
    count, height, width, channels = images.shape
    return images.reshape(count * height, width * channels), max(1, 2 * BLOCK // (width * channels))


def blocks(step: int, *matrices: Array) -> Iterator[list[Array]]:
    """Walk through matrices some rows at a time."""
    for start in range(0, len(matrices[0]), step):
        yield [m[start : start + step] for m in matrices]


def column_sums(block: Array, channels: int) -> Array:
    """The sums over all pixels of a block (rows, W C)."""
    pixels = block.reshape(-1, channels)
    return ones(len(pixels)) @ pixels


def forward(arrays: list[Any], params: dict[str, Any], saving: bool) -> Any:
    if not fits(arrays, 3):
        return None
    x, weight, bias = arrays
    images = channels_last(x)
    channels, pixels = x.shape[1], images.size // x.shape[1]
    rows, step = in_rows(images)
    total = np.zeros(channels, np.float32)
    for (block,) in blocks(step, rows):
        total += column_sums(block, channels)
    mean = total / np.float32(pixels)
    squares = np.zeros(channels, np.float32)
    centre = along_row(mean, images.shape[2])
    for (block,) in blocks(step, rows):
        distance = np.subtract(block, centre, out=scratch("norm", block.size).reshape(block.shape))
        squares += column_sums(np.multiply(distance, distance, out=distance), channels)
    var = squares / np.float32(pixels)
    y = scaled(images, rows, step, *line(weight, bias, mean, var, params))
    return (y.transpose(0, 3, 1, 2), mean, var), (images, mean, var)


def line(
    weight: Array | None, bias: Array | None, mean: Array, var: Array, params: dict[str, Any]
) -> tuple[Array, Array]:
    """Return a and b (C,), for which a x + b is the normalised x."""
    deviation = np.sqrt(var + np.float32(params.get("eps", 1e-5)))
    a = (1 if weight is None else weight) / deviation
    return a, -mean * a if bias is None else bias - mean * a


def scaled(images: Array, rows: Array, step: int, a: Array, b: Array) -> Array:
    """Return a x + b, like images (N, H, W, C)."""
    a_row, b_row = along_row(a, images.shape[2]), along_row(b, images.shape[2])
    if len(rows) <= step:  # one image, say: all of it is in the cache
        few = rows * a_row
        few += b_row
        return few.reshape(images.shape)
    y = np.empty_like(images)
    for block, out in blocks(step, rows, y.reshape(rows.shape)):
        np.multiply(block, a_row, out=out)
        np.add(out, b_row, out=out)
    return y


def backward(g: Any, call: Record) -> Any:
    _, weight, bias = call.arrays
    images, mean, var = call.saved
    gy, gmean, gvar = g
    slopes = channels_last(gy)
    channels, width, pixels = mean.size, images.shape[2], np.float32(images.size // mean.size)
    rows, step = in_rows(images)
    g_rows = slopes.reshape(rows.shape)
    g_sum, gx_sum = np.zeros(channels, np.float32), np.zeros(channels, np.float32)
    centre = along_row(mean, width)
    for block, g_block in blocks(step, rows, g_rows):
        distance = np.subtract(block, centre, out=scratch("norm", block.size).reshape(block.shape))
        gx_sum += column_sums(np.multiply(distance, g_block, out=distance), channels)
        g_sum += column_sums(g_block, channels)
    scale = 1 / np.sqrt(var + np.float32(call.params.get("eps", 1e-5)))
    dx = None
    if call.needs[0]:
        a = scale if weight is None else scale * weight
        c = (2 * gvar - a * scale * scale * gx_sum) / pixels
        # a (g - mean of g) + c (x - mean of x) + d: differences first, which keeps their digits
        a_row, c_row, d_row = (along_row(values, width) for values in (a, c, gmean / pixels))
        g_centre = along_row(g_sum / pixels, width)
        dx = np.empty_like(images)
        for block, g_block, out in blocks(step, rows, g_rows, dx.reshape(rows.shape)):
            part = np.subtract(block, centre, out=scratch("norm", block.size).reshape(block.shape))
            np.multiply(part, c_row, out=part)
            np.subtract(g_block, g_centre, out=out)
            np.multiply(out, a_row, out=out)
            np.add(out, part, out=out)
            np.add(out, d_row, out=out)
        dx = dx.transpose(0, 3, 1, 2)
    return (
        dx,
        gx_sum * scale if weight is not None and call.needs[1] else None,
        g_sum if bias is not None and call.needs[2] else None,
    )


def eval_forward(arrays: list[Any], params: dict[str, Any], saving: bool) -> Any:
    """The gradient is left to the plain rule: few train with statistics that are given."""
    if not fits(arrays, 5):
        return None
    x, weight, bias, mean, var = arrays
    a, b = line(weight, bias, mean, var, params)
    if x.flags.c_contiguous:  # a few images that came by planes, say
        y = x * a[:, np.newaxis, np.newaxis]
        y += b[:, np.newaxis, np.newaxis]
        return y, None
    images = channels_last(x)
    return scaled(images, *in_rows(images), a, b).transpose(0, 3, 1, 2), None


kernel("batch_norm2d", forward, backward)
kernel("batch_norm2d_eval", eval_forward)
