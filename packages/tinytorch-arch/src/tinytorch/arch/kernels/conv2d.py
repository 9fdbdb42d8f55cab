"""Convolution as few and large matrix products, with images in memory as BLAS wants them.

The plain definition makes k x k products over a whole batch, and every one walks through main
memory. Here a chunk of images is taken through all steps while it is in the cache. Which form of
product serves best depends on the shape (GFLOP/s of one thread, 3x3, beside 97 to 125 of PyTorch):

- rows (85-105): for each row of the kernel its columns are laid side by side once, so that kh
  products with an inner size of kw C remain (`conv2d_rows.py`)
- planes (49 at 3 channels, where rows give 36): all k x k pixels are laid out, plane by plane. For
  few channels, and for few pixels: it wants no other order of the weights (`conv2d_planes.py`)
- one product, for kernels of 1x1; no product at all, where each channel has a kernel of its own
  (`conv2d_depthwise.py`)
- other groups by one of these forms for each (`conv2d_groups.py`)

The result of rows is (N, H, W, C) in memory, handed
on as a transposed view: the next convolution finds it as it wants it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinytorch.arch.kernels import conv2d_depthwise, conv2d_groups, conv2d_planes, conv2d_rows
from tinytorch.arch.kernels.frames import channels_last, is_images, is_row, way_of
from tinytorch.arch.walks import Walk
from tinytorch.core.kernels.blocks import ones
from tinytorch.core.primitive import Array, Record, kernel

FEW_COLUMNS = 24_000  # numbers that planes lay out: where there are fewer, the calls are what costs
FEW_NUMBERS = 24  # kw C: with fewer, products of rows are too thin


def forward(arrays: list[Any], params: dict[str, Any], saving: bool) -> Any:
    if len(arrays) != 3:
        return None  # the plain definition says what is missing
    x, weight, bias = arrays
    groups = params.get("groups", 1)
    if not (is_images(x) and is_images(weight) and x.shape[1] == weight.shape[1] * groups):
        return None  # the plain definition computes it, or says what is wrong
    if not (bias is None or is_row(bias, len(weight))):
        return None
    way = way_of("conv2d", x.shape[2:], weight.shape[2:], params)
    if way is None:
        return None
    if conv2d_depthwise.fits(weight, groups):
        return conv2d_depthwise.forward(x, weight, bias, way), way
    if groups > 1:
        if is_pointwise(way) or len(weight) % groups:
            return None  # the plain definition is as fast, or says what is wrong
        return conv2d_groups.forward(dense, x, weight, bias, way, groups), way
    return dense(x, weight, bias, way), way


def dense(x: Array, weight: Array, bias: Array | None, way: Walk) -> Array:
    if is_pointwise(way):
        pixels = strided(x, way)
        y = pixels.reshape(-1, x.shape[1]) @ weight[:, :, 0, 0].T
        if bias is not None:
            y += bias
        return y.reshape(*pixels.shape[:3], -1).transpose(0, 3, 1, 2)
    if len(x) * weight[0].size * way.out[0] * way.out[1] <= FEW_COLUMNS:
        return conv2d_planes.forward_by_planes(x, weight, bias, way)
    if x.shape[1] * way.kernel[1] < FEW_NUMBERS:
        return conv2d_planes.forward(x, weight, bias, way)
    return conv2d_rows.forward(x, weight, bias, way)


def is_pointwise(way: Walk) -> bool:
    """Whether the kernel is 1x1, without a margin."""
    return way.kernel == (1, 1) and way.before == way.after == (0, 0)


def strided(x: Array, way: Walk) -> Array:
    """Return the pixels at which a 1x1 kernel stops: (N, H', W', C), contiguous."""
    down, across = way.stride
    return channels_last(x[:, :, ::down, ::across])


def backward(g: Array, call: Record) -> Any:
    x, weight, bias = call.arrays
    way: Walk = call.saved
    needs_x, needs_weight, needs_bias = call.needs
    g_last = channels_last(g)
    dbias = None
    if bias is not None and needs_bias:
        dbias = sum_rows(g_last.reshape(-1, len(weight)))
    if not (needs_x or needs_weight):
        return None, None, dbias
    groups = call.params.get("groups", 1)
    if conv2d_depthwise.fits(weight, groups):
        dx, dweight = conv2d_depthwise.backward(g_last, x, weight, way, call.needs)
    elif groups > 1:
        dx, dweight = conv2d_groups.backward(
            dense_backward, g_last, x, weight, way, call.needs, groups
        )
    else:
        dx, dweight = dense_backward(g_last, x, weight, way, call.needs)
    return dx, dweight, dbias


def dense_backward(
    g: Array, x: Array, weight: Array, way: Walk, needs: list[bool]
) -> tuple[Any, Any]:
    """The gradients of x and weight; g is (N, H'', W'', O), contiguous."""
    if is_pointwise(way):
        return pointwise_backward(g.reshape(-1, len(weight)), x, weight, way, needs)
    if not needs[0] and x.shape[1] * way.kernel[1] < FEW_NUMBERS:
        return None, conv2d_planes.weight_gradient(g, x, weight, way)
    return conv2d_rows.backward(g, x, weight, way, needs)


def sum_rows(rows: Array) -> Array:
    """The sum of all rows, as a product with ones: three times faster than sum."""
    return ones(len(rows)) @ rows


def pointwise_backward(
    g_rows: Array, x: Array, weight: Array, way: Walk, needs: list[bool]
) -> tuple[Any, Any]:
    channels = x.shape[1]
    dx = dweight = None
    if needs[0]:
        spots = (g_rows @ weight[:, :, 0, 0]).reshape(len(x), *way.out, channels)
        if way.stride == (1, 1):
            dx = spots.transpose(0, 3, 1, 2)
        else:
            down, across = way.stride
            whole = np.zeros((len(x), *x.shape[2:], channels), np.float32)
            whole[:, ::down, ::across] = spots
            dx = whole.transpose(0, 3, 1, 2)
    if needs[1]:
        dweight = (g_rows.T @ strided(x, way).reshape(-1, channels)).reshape(weight.shape)
    return dx, dweight


kernel("conv2d", forward, backward)
