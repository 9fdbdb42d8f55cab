"""Further layers for images: pooling to a given size, dropping whole channels, and initial values.

Left out: the operations of module 09 (`convolutions.py`) and batch normalisation.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

from tinytorch.arch.walks import pair
from tinytorch.core.elsewhere import explains_arguments
from tinytorch.core.errors import ShapeError
from tinytorch.core.layers import Dropout, Module
from tinytorch.core.primitive import Array, Record, gradient, primitive
from tinytorch.core.random import default_generator
from tinytorch.core.tensor import Tensor
from tinytorch.core.thrift import READS

# what the rule reads of a call, so that its record lets the rest go (core's thrift.py)
READS.update(adaptive_avg_pool2d=frozenset())


@lru_cache(maxsize=256)
def shares(size: int, parts: int, dtype: np.dtype[Any]) -> Array:
    """Return the matrix (parts, size) that averages `size` pixels in `parts` stretches.

    Stretch i begins at pixel floor(i size / parts) and ends before ceil((i + 1) size / parts), as
    in PyTorch: they overlap where `parts` does not divide `size`.
    """
    matrix = np.zeros((parts, size), dtype)
    for i in range(parts):
        start, stop = i * size // parts, -(-(i + 1) * size // parts)
        matrix[i, start:stop] = 1 / (stop - start)
    matrix.flags.writeable = False  # it is handed out again
    return matrix


@primitive
def adaptive_avg_pool2d(x: Array, *, output_size: Any) -> Array:
    """The mean of so many patches as shall come out, which cover the image evenly.

    x (N, C, H, W) -> (N, C, *output_size); an integer or a pair, where None keeps the size. 1 is
    the mean of each channel. Raises ShapeError, or ValueError for a size below 1.
    """
    rows, columns = averages_of(x, output_size)
    return rows @ x @ columns.T


def sizes_wanted(output_size: Any) -> tuple[Any, Any]:
    """Return the rows and columns that shall come out, None where the size stays."""
    several = isinstance(output_size, tuple | list)
    sizes = tuple(output_size) if several else (output_size, output_size)
    if len(sizes) != 2:
        raise ValueError(
            f"adaptive_avg_pool2d: output_size={output_size!r}: a number, or a pair (rows, columns)"
        )
    return sizes


def averages_of(x: Array, output_size: Any) -> tuple[Array, Array]:
    """Return the matrices (H', H) and (W', W) that average rows and columns of x."""
    if x.ndim != 4:
        raise ShapeError(f"adaptive_avg_pool2d: x {x.shape} must be (N, C, H, W)")
    wanted = sizes_wanted(output_size)
    parts = pair([n if w is None else w for n, w in zip(x.shape[2:], wanted, strict=True)])
    if min(parts) < 1 or 0 in x.shape[2:]:
        raise ValueError(
            f"adaptive_avg_pool2d: {parts} patches of x {x.shape}: sizes must be at least 1"
        )
    dtype = x.dtype if x.dtype.kind == "f" else np.dtype(np.float32)
    return shares(x.shape[2], parts[0], dtype), shares(x.shape[3], parts[1], dtype)


@gradient("adaptive_avg_pool2d")
def adaptive_avg_pool2d_gradient(g: Array, call: Record) -> Any:
    """Two matrix products, so their transposes carry the gradient back."""
    rows, columns = averages_of(call.arrays[0], call.params["output_size"])
    return rows.T @ g @ columns


class AdaptiveAvgPool2d(Module):
    """The mean of so many patches as shall come out: (N, C, H, W) -> (N, C, *output_size).

    output_size  a number or a pair (rows, columns), None keeps a size; 1 averages each channel
    """

    @explains_arguments
    def __init__(self, output_size: Any) -> None:
        sizes_wanted(output_size)
        self.output_size = output_size

    def forward(self, x: Tensor) -> Tensor:
        """Images (N, C, H, W) -> (N, C, *output_size). Raises ShapeError."""
        return adaptive_avg_pool2d(x, output_size=self.output_size)

    def describe(self) -> str:
        return f"output_size={self.output_size}"


class Dropout2d(Dropout):
    """While training, set each channel of each image to 0 with probability `p`; scale the rest.

    Neighbouring pixels are alike, so dropping single ones takes little away. Tompson et al.,
    "Efficient Object Localization Using Convolutional Networks", 2015. Raises ShapeError.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Images (N, C, H, W) -> the same shape."""
        if x.ndim != 4:
            raise ShapeError(f"Dropout2d: x {x.shape} must be (N, C, H, W)")
        if not self.training or self.p == 0:
            return x
        keep = (self.rng or default_generator()).random((*x.shape[:2], 1, 1), np.float32) >= self.p
        return x * (keep / np.float32(1 - self.p))


def kaiming_normal(
    shape: tuple[int, ...], fan_in: int | None = None, rng: np.random.Generator | None = None
) -> Tensor:
    """A parameter, normally distributed, that keeps the variance of what passes it and a ReLU.

    fan_in  the inputs that each output sums up; for a weight (O, C, kh, kw) it is C kh kw, and
            need not be given

    He et al., "Delving Deep into Rectifiers", 2015: variance 2 / fan_in.
    """
    fan_in = math.prod(shape[1:]) if fan_in is None else fan_in
    values = (rng or default_generator()).standard_normal(shape, np.float32)
    return Tensor(values * np.float32(math.sqrt(2 / fan_in)), requires_grad=True)


# The fast form attaches itself. Here, because it stands in for what is defined above.
from tinytorch.arch.kernels import adaptive_avg_pool2d as _adaptive  # noqa: E402, F401
