"""Products of integers at the speed of floating point, and exact to the last bit.

NumPy hands float32 products to BLAS and computes those of integers with a loop of its own, some
hundred times slower. But float32 holds every integer up to 2^24 exactly: as long as no sum, in
whatever order BLAS forms it, can leave that range, its result is the integer one.

How large sums can become: |x - zero_point| is at most 128 + 127 = 255 for int8, and |weight| at
most 128, so 2^24 / (255 * 128) = 514 products are always safe. Without a zero point they are
2^24 / (128 * 128) = 1024, for uint8 by int8 514, for uint8 by uint8 2^24 / 255^2 = 258. Weights
that were trained are mostly far from 128, and the sum of their magnitudes, times the largest x, is
a bound too; where that fits, all products are summed at once. Otherwise they are summed block by
block, and the blocks in int32.

In NumPy int8 saves memory, not time: the cast to float32 comes on top. Speed comes from machines
and runtimes that multiply int8 themselves.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinytorch.arch.convolutions import conv2d
from tinytorch.arch.kernels import conv2d as float_conv2d
from tinytorch.core.kernels.blocks import scratch
from tinytorch.core.primitive import Array, kernel

EXACT = 2**24  # float32 holds every integer up to here
INTEGERS = (np.dtype(np.int8), np.dtype(np.uint8))
MOST_PRODUCTS = 2**15  # more are refused by the plain definition


def block_size(x: np.dtype[Any], weight: np.dtype[Any], zero_point: int = 0) -> int:
    """How many products of any two integers of these types can be summed in float32, exactly."""
    return EXACT // (largest(x, zero_point) * largest(weight))


def largest(dtype: np.dtype[Any], zero_point: int = 0) -> int:
    """The largest magnitude of q - zero_point."""
    info = np.iinfo(dtype)
    return int(max(info.max - zero_point, zero_point - info.min))


def fits(arrays: list[Any]) -> bool:
    """Whether these are operands that the kernels take."""
    if len(arrays) != 4:
        return False
    x, weight, bias, zero_point = arrays
    return (
        all(type(a) is np.ndarray and a.dtype in INTEGERS and a.size > 0 for a in (x, weight))
        and (bias is None or (type(bias) is np.ndarray and bias.dtype == np.int32))
        and np.ndim(zero_point) == 0
        and np.asarray(zero_point).dtype.kind in "iu"
        and np.iinfo(x.dtype).min <= int(zero_point) <= np.iinfo(x.dtype).max
    )


def shifted(x: Array, zero_point: int, name: str) -> Array:
    """x - zero_point as float32, in a buffer of this thread, laid out as x is."""
    out = np.empty_like(x, np.float32) if x.size > 1 << 21 else _buffer_like(x, name)
    np.subtract(x, np.float32(zero_point), out=out, dtype=np.float32)
    return out


def _buffer_like(x: Array, name: str) -> Array:
    """A scratch buffer with the order of axes that x has in memory."""
    order = sorted(range(x.ndim), key=lambda i: -x.strides[i])
    flat = scratch(name, x.size).reshape([x.shape[i] for i in order])
    return flat.transpose(np.argsort(order))


def linear_forward(arrays: list[Any], params: dict[str, Any], saving: bool) -> Any:
    if params or not fits(arrays):
        return None  # the plain definition says what is wrong
    x, weight, bias, zero_point = arrays
    if x.ndim == 0 or weight.ndim != 2 or x.shape[-1] != len(weight):
        return None
    if len(weight) > MOST_PRODUCTS or not (bias is None or bias.shape == weight.shape[1:]):
        return None
    z = int(zero_point)
    rows = shifted(x, z, "integer x").reshape(-1, len(weight))
    columns = weight.astype(np.float32)
    step = block_size(x.dtype, weight.dtype, z)
    if len(weight) <= step or _bound(columns, (0,), x.dtype, z) <= EXACT:
        total = (rows @ columns).astype(np.int32)
    else:
        total = np.zeros((len(rows), weight.shape[1]), np.int32)
        for start in range(0, len(weight), step):
            block = slice(start, start + step)
            total += (rows[:, block] @ columns[block]).astype(np.int32)
    if bias is not None:
        total += bias
    return total.reshape(*x.shape[:-1], weight.shape[1]), None


def _bound(weight: Array, summed: tuple[int, ...], x: np.dtype[Any], zero_point: int) -> float:
    """What no sum exceeds: the weights' magnitudes, with the largest x at each of them."""
    return float(np.abs(weight).sum(axis=summed, dtype=np.float64).max()) * largest(x, zero_point)


def conv2d_forward(arrays: list[Any], params: dict[str, Any], saving: bool) -> Any:
    if not fits(arrays):
        return None
    x, weight, bias, zero_point = arrays
    if x.ndim != 4 or weight.ndim != 4 or weight[0].size > MOST_PRODUCTS:
        return None
    groups = params.get("groups", 1)
    if type(groups) is not int or groups < 1 or x.shape[1] != weight.shape[1] * groups:
        return None
    if len(weight) % groups or not (bias is None or bias.shape == (len(weight),)):
        return None
    z = int(zero_point)
    filters = weight.astype(np.float32)
    step = block_size(x.dtype, weight.dtype, z) // (weight.shape[2] * weight.shape[3])
    total: Any
    if step >= weight.shape[1] or _bound(filters, (1, 2, 3), x.dtype, z) <= EXACT:
        total = in_float(shifted(x, z, "integer x"), filters, params).astype(np.int32)
    elif step == 0 or groups > 1:
        return None  # a kernel of more than 514 places, or heavy groups: rare, and left to integers
    else:
        total = 0
        for start in range(0, weight.shape[1], step):  # some channels at a time
            block = slice(start, start + step)
            part = shifted(x[:, block], z, "integer x")
            total += in_float(part, filters[:, block], params).astype(np.int32)
    if bias is not None:
        total += bias[:, np.newaxis, np.newaxis]
    return total, None


def in_float(x: Array, weight: Array, params: dict[str, Any]) -> Array:
    """The convolution of module 09, by its kernel where there is one."""
    answer = float_conv2d.forward([x, weight, None], params, False)
    return conv2d.definition(x, weight, None, **params) if answer is None else answer[0]


kernel("linear_int8", linear_forward)
kernel("conv2d_int8", conv2d_forward)
