"""Two other ways to write a convolution, for the lesson to measure: loops, and columns (im2col).

Plain functions on arrays, without a gradient; the results are those of `conv2d`. Nothing in the
library calls them. Left out: dilation and groups, which add an index and teach nothing new.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from tinytorch.arch.walks import walk
from tinytorch.core.primitive import Array


def conv2d_by_loops(
    x: Array, weight: Array, bias: Array, *, stride: Any = 1, padding: Any = 0
) -> Array:
    """Write the definition down as it stands: seven loops, and one product in the middle.

    x (N, C, H, W), weight (O, C, kh, kw), bias (O,) -> (N, O, H', W').
    """
    way = walk("conv2d_by_loops", x.shape[2:], weight.shape[2:], stride, padding)
    (top, left), (down, across), (height, width) = way.before, way.stride, x.shape[2:]
    y = np.zeros((len(x), len(weight), *way.out), x.dtype)
    for n in range(len(x)):
        for o in range(len(weight)):
            for row in range(way.out[0]):
                for column in range(way.out[1]):
                    total = bias[o]
                    for c in range(x.shape[1]):
                        for i in range(way.kernel[0]):
                            for j in range(way.kernel[1]):
                                h, w = row * down + i - top, column * across + j - left
                                if 0 <= h < height and 0 <= w < width:
                                    total += x[n, c, h, w] * weight[o, c, i, j]
                    y[n, o, row, column] = total
    return y


def conv2d_by_columns(
    x: Array, weight: Array, bias: Array, *, stride: Any = 1, padding: Any = 0
) -> Array:
    """Copy every window into a row of its own; then all of the convolution is one matrix product.

    Each pixel is copied kh kw times, so the copy is that much larger than the image. Chellapilla,
    Puri and Simard, "High Performance Convolutional Neural Networks for Document Processing", 2006.
    """
    way = walk("conv2d_by_columns", x.shape[2:], weight.shape[2:], stride, padding)
    (top, left), (bottom, right), (down, across) = way.before, way.after, way.stride
    padded = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
    windows = sliding_window_view(padded, way.kernel, axis=(2, 3))[:, :, ::down, ::across]
    # (N, C, H', W', kh, kw) -> (N, H', W', C, kh, kw) -> (pixels, C kh kw)
    columns = windows.transpose(0, 2, 3, 1, 4, 5).reshape(-1, weight[0].size)
    y = columns @ weight.reshape(len(weight), -1).T + bias  # (pixels, O)
    return y.reshape(len(x), *way.out, len(weight)).transpose(0, 3, 1, 2)
