"""How a kernel walks over an image: sizes, steps and margins, worked out once for all operations.

Convolution, pooling and their fast forms begin with this. Left out: what is computed on the way.
"""

from __future__ import annotations

import operator
from typing import Any, NamedTuple

from tinytorch.core.errors import ShapeError

Pair = tuple[int, int]
HUGE = 1, 1, 2**40, 2**40  # the shape of an image on which every kernel fits


class Walk(NamedTuple):
    """Sizes along rows and columns: of the kernel, its steps, the margins, and the result."""

    kernel: Pair
    stride: Pair
    dilation: Pair  # the distance between neighbours in the kernel
    before: Pair  # margin above, and on the left
    after: Pair  # margin below, and on the right
    out: Pair


def pair(value: Any) -> Pair:
    """Return two integers, for rows and columns: 3 -> (3, 3), (1, 2) -> (1, 2)."""
    sizes = tuple(value) if isinstance(value, tuple | list) else (value, value)
    try:
        rows, columns = (operator.index(size) for size in sizes)
    except (TypeError, ValueError):
        raise ValueError(
            f"a size is an integer or a pair of them (rows, columns), not {value!r}"
        ) from None
    return rows, columns


def walk(
    name: str, image: tuple[int, ...], kernel: Any, stride: Any, padding: Any, dilation: Any = 1
) -> Walk:
    """Work out how a kernel walks over an image of (H, W) pixels, for the operation `name`.

    padding  pixels on every side, a pair of them (rows, columns), "valid" for none, or "same" for
             as many as make the result as large as the image

    Raises ValueError for sizes that no kernel has, ShapeError where it does not fit on the image.
    """
    kernel, stride, dilation = pair(kernel), pair(stride), pair(dilation)
    reach = tuple(d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True))
    if padding == "same":
        if stride != (1, 1):
            raise ValueError(f'{name}: padding="same" keeps the size, so the stride must be 1')
        before = pair([(r - 1) // 2 for r in reach])
        after = pair([r // 2 for r in reach])  # of an odd margin, the larger half
    else:
        before = after = pair(0 if padding == "valid" else padding)
    if min(kernel + stride + dilation) < 1 or min(before) < 0:
        raise ValueError(
            f"{name}: kernel {kernel}, stride {stride} and dilation {dilation} must be at least 1, "
            f"padding {before} at least 0"
        )
    padded = [n + b + a for n, b, a in zip(image, before, after, strict=True)]
    out = pair([(n - r) // s + 1 for n, r, s in zip(padded, reach, stride, strict=True)])
    if min(out) < 1:
        raise ShapeError(
            f"{name}: a kernel that reaches over {reach} pixels does not fit on an image of "
            f"{tuple(image)} with padding {before}: {tuple(padded)}. Is the image too small, or "
            "are there too many poolings and strides before?"
        )
    return Walk(kernel, stride, dilation, before, after, out)


def axis_hint(shape: tuple[int, ...], channels: int) -> str:
    """What to write where images of `shape` should be (N, channels, H, W), or ""."""
    if len(shape) == 3 and shape[0] == channels:
        return "; for one image, x.expand_dims(0)?"
    if len(shape) == 3 and channels == 1:
        return f"; for {shape[0]} images of one channel, x.expand_dims(1)?"
    if len(shape) == 3 and shape[-1] == channels:
        return "; for one image with its channels last, x.permute(2, 0, 1).expand_dims(0)?"
    if len(shape) == 4 and shape[-1] == channels:
        return "; are the channels of x last? x.permute(0, 3, 1, 2)"
    if len(shape) == 4 and channels == shape[0] == 1:
        return f"; for {shape[1]} images of one channel, x.transpose(0, 1)?"
    return ""


def pool_walk(name: str, shape: tuple[int, ...], kernel: Any, stride: Any, padding: Any) -> Walk:
    """Work out how a pooling walks over images of `shape`; without a stride, in steps of a kernel.

    Raises ShapeError, and ValueError for a margin of more than half the kernel: then some places
    would see nothing but margin.
    """
    if len(shape) != 4:
        hint = "; for one image, x.expand_dims(0)?" if len(shape) == 3 else ""
        raise ShapeError(f"{name}: x {shape} must be (N, C, H, W){hint}")
    way = walk(name, shape[2:], kernel, kernel if stride is None else stride, padding)
    if any(2 * p > k for p, k in zip(way.before, way.kernel, strict=True)):
        raise ValueError(f"{name}: padding {way.before} is more than half of kernel {way.kernel}")
    return way
