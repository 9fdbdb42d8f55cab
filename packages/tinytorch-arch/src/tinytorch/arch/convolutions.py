"""Module 09: networks that see. Convolution, pooling, and their layers.

An operation here walks over an image with a small kernel. Instead of stopping at each place of the
image, it goes through the places (i, j) of the kernel: what one of them meets, wherever the kernel
stands, is the whole image, shifted. So a 3x3 convolution is nine matrix products, and a 2x2 pooling
the maximum of four pictures. Images are (N, C, H, W) as in PyTorch, and are computed with the
channels last, so that the numbers which a product adds up lie side by side.

Left out: one and three dimensions, transposed convolution, padding by reflection. What sizes come
out is worked out in `walks.py`; batch normalisation and further layers for images are in `ops/`,
the fast forms in `kernels/`, and the loops and columns (im2col) that one could begin with instead
in `exhibits.py`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from tinytorch.arch.sizes import require_sizes
from tinytorch.arch.walks import HUGE, Walk, axis_hint, pair, pool_walk, walk
from tinytorch.core.elsewhere import explains_arguments
from tinytorch.core.errors import ShapeError
from tinytorch.core.layers import Module, uniform
from tinytorch.core.primitive import Array, Record, gradient, primitive
from tinytorch.core.tensor import Tensor
from tinytorch.core.thrift import READS

# what the rules read of a call, so that its record lets the rest go (core's thrift.py)
READS.update(
    conv2d=frozenset({"arrays"}), max_pool2d=frozenset({"arrays", "out"}), avg_pool2d=frozenset()
)


# What a kernel meets on its way over an image
def shifts(walk: Walk) -> Iterator[tuple[int, int, slice, slice]]:
    """Yield each place (i, j) of the kernel, and the rows and columns of the image it meets."""
    (kernel_rows, kernel_columns), out = walk.kernel, walk.out
    meets = [
        [slice(i * d, i * d + s * (n - 1) + 1, s) for i in range(k)]
        for k, d, s, n in zip(walk.kernel, walk.dilation, walk.stride, out, strict=True)
    ]
    for i in range(kernel_rows):
        for j in range(kernel_columns):
            yield i, j, meets[0][i], meets[1][j]


def pad(x: Array, walk: Walk, value: Any = 0) -> Array:
    """Copy images into a margin of `value`, channels last: (N, C, H, W) -> (N, H', W', C)."""
    count, channels, height, width = x.shape
    (top, left), (bottom, right) = walk.before, walk.after
    shape = count, top + height + bottom, left + width + right, channels
    padded = np.full(shape, value, x.dtype)
    padded[:, top : top + height, left : left + width] = x.transpose(0, 2, 3, 1)
    return padded


def unpad(padded: Array, walk: Walk) -> Array:
    """Cut the margin off: (N, H', W', C) -> (N, C, H, W), a view."""
    (top, left), (bottom, right) = walk.before, walk.after
    height, width = padded.shape[1:3]
    return padded[:, top : height - bottom, left : width - right].transpose(0, 3, 1, 2)


# Convolution
def in_groups(x: Array, groups: int) -> Array:
    """Split the last axis in groups: (N, H, W, C) -> (groups, N, H, W, C/groups), a view."""
    *front, channels = x.shape
    return np.moveaxis(x.reshape(*front, groups, channels // groups), -2, 0)


def filters_of(weight: Array, groups: int) -> Array:
    """Return a matrix for each place of the kernel: (kh, kw, groups, 1, 1, C/groups, O/groups)."""
    outputs, channels, height, width = weight.shape
    split = weight.reshape(groups, outputs // groups, channels, height, width)
    return np.ascontiguousarray(split.transpose(3, 4, 0, 2, 1))[:, :, :, None, None]


@primitive
def conv2d(
    x: Array,
    weight: Array,
    bias: Array | None,
    *,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Array:
    """Every output pixel is a weighted sum of the pixels around it, of all channels of its group.

    x        (N, C, H, W)
    weight   (O, C/groups, kh, kw)
    bias     (O,) or None
    stride, dilation  steps of the kernel, and the distance between its places: integers or pairs
    padding  zeros around the image: an integer, a pair, "same" or "valid"
    groups   so many convolutions side by side, each for its share of the channels

    Returns (N, O, H', W') with H' = (H + 2 padding - dilation (kh - 1) - 1) // stride + 1.
    Raises ShapeError, or ValueError for sizes that no kernel has. LeCun et al., "Gradient-based
    learning applied to document recognition", 1998.
    """
    check_conv2d(x, weight, bias, groups)
    way = walk("conv2d", x.shape[2:], weight.shape[2:], stride, padding, dilation)
    image = in_groups(pad(x, way), groups)
    filters = filters_of(weight, groups)
    y: Any = 0
    for i, j, rows, columns in shifts(way):
        # (G, N, H', W', C/G) @ (G, 1, 1, C/G, O/G) -> (G, N, H', W', O/G)
        y = y + image[:, :, rows, columns] @ filters[i, j]
    y = np.moveaxis(y, 0, -2).reshape(len(x), *way.out, len(weight))
    if bias is not None:
        y += bias
    return y.transpose(0, 3, 1, 2)


def check_conv2d(x: Array, weight: Array, bias: Array | None, groups: int) -> None:
    """Raise ShapeError where the operands of a convolution do not fit together."""
    wanted = weight.shape[1] * groups if weight.ndim == 4 else 0
    if x.ndim != 4 or weight.ndim != 4:
        raise ShapeError(
            f"conv2d: x {x.shape} must be (N, C, H, W), weight {weight.shape} (O, C/groups, kh, kw)"
            + axis_hint(x.shape, wanted)
        )
    channels, outputs = x.shape[1], len(weight)
    if groups < 1 or channels % groups or outputs % groups:
        raise ShapeError(
            f"conv2d: groups={groups} must divide the {channels} channels of x {x.shape} and the "
            f"{outputs} of weight {weight.shape}"
        )
    if channels != wanted:
        raise ShapeError(
            f"conv2d: x {x.shape} has {channels} channels, but weight {weight.shape} with "
            f"groups={groups} is for {wanted}{axis_hint(x.shape, wanted)}"
        )
    if bias is not None and np.shape(bias) != (outputs,):
        raise ShapeError(f"conv2d: bias {np.shape(bias)} must be ({outputs},), one for each output")


@gradient("conv2d")
def conv2d_gradient(g: Array, call: Record) -> Any:
    """Each of the products is undone as in `matmul`, and what overlapped is added up.

    Where the kernel met a pixel from several places, the pixel collects from all of them; and each
    weight collects from all pixels that it met.
    """
    x, weight, bias = call.arrays
    groups = call.params.get("groups", 1)
    way = walk_of(call, weight.shape[2:])
    image = in_groups(pad(x, way), groups)
    filters = filters_of(weight, groups)
    slopes = in_groups(g.transpose(0, 2, 3, 1), groups)  # (G, N, H', W', O/G)
    pixels = math.prod(slopes.shape[1:4])
    dpadded = np.zeros((len(x), *image.shape[2:4], x.shape[1]), np.result_type(g, weight))
    dimage = in_groups(dpadded, groups)  # a view: what is added to it is added to dpadded
    dfilters = np.zeros((*way.kernel, groups, image.shape[-1], slopes.shape[-1]), g.dtype)
    for i, j, rows, columns in shifts(way):
        if call.needs[0]:
            dimage[:, :, rows, columns] += slopes @ filters[i, j].mT
        if call.needs[1]:
            seen = image[:, :, rows, columns].reshape(groups, pixels, image.shape[-1])
            dfilters[i, j] = seen.mT @ slopes.reshape(groups, pixels, slopes.shape[-1])
    return (
        unpad(dpadded, way) if call.needs[0] else None,
        dfilters.transpose(2, 4, 3, 0, 1).reshape(weight.shape) if call.needs[1] else None,
        g.sum(axis=(0, 2, 3)) if bias is not None and call.needs[2] else None,
    )


def walk_of(call: Record, kernel: Any) -> Walk:
    """Return the walk of a recorded call, whose kernel has this size."""
    image, params = call.arrays[0].shape[2:], call.params
    stride = params.get("stride", 1 if call.primitive.name == "conv2d" else None)
    return walk(
        call.primitive.name,
        image,
        kernel,
        kernel if stride is None else stride,
        params.get("padding", 0),
        params.get("dilation", 1),
    )


# Pooling
def lowest(dtype: np.dtype[Any]) -> Any:
    """Return what is below every number of a type: the margin of `max_pool2d`."""
    return -np.inf if dtype.kind == "f" else np.iinfo(dtype).min


@primitive
def max_pool2d(x: Array, *, kernel_size: Any, stride: Any = None, padding: Any = 0) -> Array:
    """The largest pixel of each kernel-sized patch, channel by channel.

    x (N, C, H, W) -> (N, C, H', W'). Sizes are integers or pairs; the stride is that of the kernel
    unless given. The margin never wins. Of equal pixels the first gets the gradient, as in PyTorch.
    Raises ShapeError where the kernel does not fit, ValueError for sizes that no kernel has.
    """
    way = pool_walk("max_pool2d", x.shape, kernel_size, stride, padding)
    image = pad(x, way, lowest(x.dtype))
    seen = [image[:, rows, columns] for _, _, rows, columns in shifts(way)]
    y = seen[0].copy()
    for pixels in seen[1:]:
        np.maximum(y, pixels, out=y)
    return y.transpose(0, 3, 1, 2)


@gradient("max_pool2d")
def max_pool2d_gradient(g: Array, call: Record) -> Any:
    """The gradient goes to the pixel that won."""
    (x,) = call.arrays
    way = walk_of(call, call.params["kernel_size"])
    image = pad(x, way, lowest(x.dtype))
    best, slopes = call.out.transpose(0, 2, 3, 1), g.transpose(0, 2, 3, 1)
    dimage = np.zeros(image.shape, g.dtype)
    open_to_all = np.ones(best.shape, bool)  # until somebody wins
    for _, _, rows, columns in shifts(way):
        wins = open_to_all & (image[:, rows, columns] == best)
        dimage[:, rows, columns] += slopes * wins
        open_to_all &= ~wins
    return unpad(dimage, way)


@primitive
def avg_pool2d(x: Array, *, kernel_size: Any, stride: Any = None, padding: Any = 0) -> Array:
    """The mean of each kernel-sized patch, channel by channel; pixels of the margin count as 0.

    x (N, C, H, W) -> (N, C, H', W'). Sizes and errors are those of `max_pool2d`.
    """
    way = pool_walk("avg_pool2d", x.shape, kernel_size, stride, padding)
    image = pad(x, way)
    total: Any = 0
    for _, _, rows, columns in shifts(way):
        total = total + image[:, rows, columns]
    return (total / math.prod(way.kernel)).transpose(0, 3, 1, 2)


@gradient("avg_pool2d")
def avg_pool2d_gradient(g: Array, call: Record) -> Any:
    """Every pixel of a patch has the same share in its mean."""
    (x,) = call.arrays
    way = walk_of(call, call.params["kernel_size"])
    share = g.transpose(0, 2, 3, 1) / math.prod(way.kernel)
    dimage = np.zeros(pad(x, way).shape, g.dtype)
    for _, _, rows, columns in shifts(way):
        dimage[:, rows, columns] += share
    return unpad(dimage, way)


# Layers
class Conv2d(Module):
    """A convolution with weights of its own; arguments, names and initial values are PyTorch's.

    Images (N, C, H, W) -> (N, O, H', W'), where
    H' = (H + 2 padding - dilation (kh - 1) - 1) // stride + 1.

    in_channels, out_channels  C and O; weight is (O, C/groups, kh, kw), bias (O,)
    kernel_size                (kh, kw), or one number for both
    stride, dilation           steps of the kernel, and the distance between its places: numbers or
                               pairs
    padding                    zeros around the image: a number, a pair, "same" or "valid"
    groups                     so many convolutions side by side, each for its share of the channels
    bias                       whether there is one
    rng                        where the initial values come from: evenly from +-1/sqrt(C/groups
                               kh kw)
    """

    @explains_arguments
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        rng: np.random.Generator | None = None,
    ) -> None:
        kernel = pair(kernel_size)
        require_sizes("Conv2d", in_channels=in_channels, out_channels=out_channels, groups=groups)
        if in_channels % groups or out_channels % groups:
            raise ValueError(
                f"Conv2d({in_channels}, {out_channels}): groups={groups} must divide both"
            )
        self.stride, self.dilation, self.groups = pair(stride), pair(dilation), groups
        self.padding = padding if isinstance(padding, str) else pair(padding)
        walk("Conv2d", HUGE[2:], kernel, self.stride, self.padding, self.dilation)  # refuses sizes
        shape = (out_channels, in_channels // groups, *kernel)
        bound = 1 / math.sqrt(math.prod(shape[1:]))
        self.weight = uniform(shape, bound, rng)
        self.bias = uniform((out_channels,), bound, rng) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        """Images (N, C, H, W) -> (N, O, H', W'). Raises ShapeError."""
        return conv2d(
            x,
            self.weight,
            self.bias,
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            groups=self.groups,
        )

    def describe(self) -> str:
        outputs, channels, *kernel = self.weight.shape
        text = f"{channels * self.groups}, {outputs}, kernel_size={tuple(kernel)}"
        usual = {"stride": (1, 1), "padding": (0, 0), "dilation": (1, 1), "groups": 1}
        for name, value in usual.items():
            if getattr(self, name) != value:
                text += f", {name}={getattr(self, name)!r}"
        return text if self.bias is not None else f"{text}, bias=False"


class Pool2d(Module):
    """What the two poolings share: kernel_size, stride (None: the kernel's) and padding."""

    @explains_arguments
    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0) -> None:
        self.kernel_size, self.padding = pair(kernel_size), pair(padding)
        self.stride = self.kernel_size if stride is None else pair(stride)
        name = type(self).__name__
        pool_walk(name, HUGE, self.kernel_size, self.stride, self.padding)  # refuses wrong sizes

    def describe(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxPool2d(Pool2d):
    """The largest pixel of each patch of every channel: (N, C, H, W) -> (N, C, H', W').

    H' = (H + 2 padding - kernel_size) // stride + 1, so MaxPool2d(2) halves both sides.

    kernel_size, stride, padding  numbers or pairs; the stride is that of the kernel unless given
    """

    def forward(self, x: Tensor) -> Tensor:
        """Images (N, C, H, W) -> (N, C, H', W'). Raises ShapeError."""
        return max_pool2d(x, kernel_size=self.kernel_size, stride=self.stride, padding=self.padding)


class AvgPool2d(Pool2d):
    """The mean of each patch of every channel: (N, C, H, W) -> (N, C, H', W').

    Sizes and arguments are those of `MaxPool2d`; pixels of the margin count as 0.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Images (N, C, H, W) -> (N, C, H', W'). Raises ShapeError."""
        return avg_pool2d(x, kernel_size=self.kernel_size, stride=self.stride, padding=self.padding)


class Flatten(Module):
    """Make axes start_dim to end_dim one: images (N, C, H, W) become rows (N, C*H*W)."""

    @explains_arguments
    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        self.start_dim, self.end_dim = start_dim, end_dim

    def forward(self, x: Tensor) -> Tensor:
        """x with axes start_dim to end_dim joined: (N, C, H, W) -> (N, C*H*W) by default."""
        return x.flatten(self.start_dim, self.end_dim)


# The fast forms attach themselves. Here, because they stand in for what is defined above.
from tinytorch.arch.kernels import conv2d as _conv2d  # noqa: E402, F401
from tinytorch.arch.kernels import pool2d as _pool2d  # noqa: E402, F401
