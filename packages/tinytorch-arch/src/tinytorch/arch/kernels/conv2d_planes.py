"""Convolution by planes: the k x k pixels that a kernel sees, each a plane, image by image.

The padded image (C, H', W') is laid out as columns (C kh kw, pixels), which is the order that the
weights have as they are. Runs of a whole output row are copied, where channels last would copy kw C
numbers at a time; so this is the form for an image of few channels. For a few images it is the one
without a reordering of the weights.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import as_strided

from tinytorch.arch.kernels.frames import kept
from tinytorch.arch.walks import Walk
from tinytorch.core.kernels.blocks import scratch
from tinytorch.core.primitive import Array


class Planes:
    """One image (C, H, W) in a margin, and what the kernel sees of it, in two steps.

    inside   where the image stands
    shifted  (C, kw, H', W''): the image once for each column of the kernel
    strips   room for a copy of that
    seen     (C, kh, kw, H'', W''): whole planes of the copy, which are long runs of memory
    """

    __slots__ = ("inside", "nbytes", "pixels", "seen", "shifted", "strips")

    def __init__(self, shape: tuple[int, ...], way: Walk) -> None:
        channels, height, width = shape
        (top, left), (bottom, right) = way.before, way.after
        padded = np.zeros((channels, top + height + bottom, left + width + right), np.float32)
        self.inside = padded[:, top : top + height, left : left + width]
        self.pixels = way.out[0] * way.out[1]
        plane, row, number = padded.strides
        self.shifted = as_strided(
            padded,
            (channels, way.kernel[1], padded.shape[1], way.out[1]),
            (plane, number * way.dilation[1], row, number * way.stride[1]),
        )
        self.strips = np.empty(self.shifted.shape, np.float32)
        self.nbytes = self.strips.nbytes
        plane, shift, row, number = self.strips.strides
        self.seen = as_strided(
            self.strips,
            (channels, *way.kernel, *way.out),
            (plane, row * way.dilation[0], shift, row * way.stride[0], number),
        )

    def columns(self, image: Array) -> Array:
        """Lay an image (C, H, W) out as (C kh kw, pixels), in this thread's buffer."""
        self.inside[...] = image
        np.copyto(self.strips, self.shifted)
        seen = self.seen
        columns = scratch("conv2d columns", seen.size).reshape(seen.shape)
        np.copyto(columns, seen)
        return columns.reshape(-1, self.pixels)


def planes_of(x: Array, way: Walk) -> Planes:
    """Return this thread's planes for images like those of x (N, C, H, W)."""
    return kept("planes", (x.shape[1:], way), lambda: Planes(x.shape[1:], way))


def forward(x: Array, weight: Array, bias: Array | None, way: Walk) -> Array:
    """The result has its channels last, as the next convolution wants them."""
    outputs = len(weight)
    matrix = np.ascontiguousarray(weight.reshape(outputs, -1).T)  # (C kh kw, O)
    planes = planes_of(x, way)
    y = np.empty((len(x), planes.pixels, outputs), np.float32)
    for image, part in zip(x, y, strict=True):
        np.matmul(planes.columns(image).T, matrix, out=part)
        if bias is not None:
            np.add(part, bias, out=part)
    return y.reshape(len(x), *way.out, outputs).transpose(0, 3, 1, 2)


def forward_by_planes(x: Array, weight: Array, bias: Array | None, way: Walk) -> Array:
    """The result is in the order of its axes, and no weight moves."""
    matrix = weight.reshape(len(weight), -1)
    planes = planes_of(x, way)
    y = np.empty((len(x), len(weight), planes.pixels), np.float32)
    for image, part in zip(x, y, strict=True):
        np.matmul(matrix, planes.columns(image), out=part)
    if bias is not None:
        y += bias[:, np.newaxis]
    return y.reshape(len(x), len(weight), *way.out)


def weight_gradient(g: Array, x: Array, weight: Array, way: Walk) -> Array:
    """The gradient of the weights; g is (N, H'', W'', O), contiguous."""
    outputs = len(weight)
    planes = planes_of(x, way)
    total = np.zeros((weight.size // outputs, outputs), np.float32)
    share = np.empty_like(total)
    for image, part in zip(x, g, strict=True):
        np.matmul(planes.columns(image), part.reshape(-1, outputs), out=share)
        total += share
    return np.ascontiguousarray(total.T).reshape(weight.shape)
