"""The fast products of integers are the exact ones, to the last bit, for extreme numbers too."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinytorch
from tinytorch.core.context import listening
from tinytorch.opt.kernels import integer
from tinytorch.opt.quantization import conv2d_int8, linear_int8

types = st.sampled_from([np.int8, np.uint8])
kinds = st.sampled_from(["any", "lowest", "highest", "ends"])


def integers(rng: np.random.Generator, kind: str, dtype: Any, shape: Any) -> Any:
    info = np.iinfo(dtype)
    if kind == "any":
        return rng.integers(info.min, info.max + 1, shape, dtype)
    if kind == "ends":
        return rng.choice(np.array([info.min, info.max], dtype), shape)
    return np.full(shape, info.min if kind == "lowest" else info.max, dtype)


def both(primitive: Any, *operands: Any, **params: Any) -> tuple[Any, Any]:
    """What the plain definition gives, and what the kernel does, which must have run."""
    with tinytorch.kernels.use("plain"):
        plain = primitive(*operands, **params).data
    ran: list[Any] = []
    with listening(lambda event: ran.append(event.record.kernel)):
        fast = primitive(*operands, **params).data
    assert ran[0] is not None
    return plain, fast


@given(
    st.integers(0, 2**32), kinds, kinds, types, types, st.integers(1, 5), st.integers(1, 5),
    st.sampled_from([1, 3, 257, 258, 259, 513, 514, 515, 1024, 1025, 2100]), st.booleans(),
)  # fmt: skip
@settings(deadline=None, max_examples=150)
def test_linear_is_exact(
    seed: int, of_x: str, of_w: str, x_type: Any, w_type: Any, rows: int, columns: int, inner: int,
    with_bias: bool,
) -> None:  # fmt: skip
    rng = np.random.default_rng(seed)
    x = integers(rng, of_x, x_type, (rows, inner))
    weight = integers(rng, of_w, w_type, (inner, columns))
    bias = rng.integers(-(2**30), 2**30, columns, np.int32) if with_bias else None
    zero_point = integers(rng, str(rng.choice(["any", "ends"])), x_type, ())
    plain, fast = both(linear_int8, x, weight, bias, zero_point)
    assert fast.dtype == np.int32
    np.testing.assert_array_equal(fast, plain)
    wide = (x.astype(np.int64) - int(zero_point)) @ weight.astype(np.int64)
    np.testing.assert_array_equal(plain, wide + (0 if bias is None else bias))


@given(
    st.integers(0, 2**32), kinds, kinds, types, st.integers(1, 3), st.sampled_from([1, 2, 64, 130]),
    st.sampled_from([1, 3]), st.sampled_from([1, 2]), st.sampled_from([0, 1, "same"]),
    st.booleans(),
)  # fmt: skip
@settings(deadline=None, max_examples=80)
def test_convolution_is_exact(
    seed: int, of_x: str, of_w: str, x_type: Any, count: int, channels: int, kernel: int,
    stride: int, padding: Any, last: bool,
) -> None:  # fmt: skip
    rng = np.random.default_rng(seed)
    x = integers(rng, of_x, x_type, (count, channels, 6, 5))
    if last:  # in memory as the kernels of arch leave it
        x = np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    weight = integers(rng, of_w, np.int8, (3, channels, kernel, kernel))
    bias = rng.integers(-(2**30), 2**30, 3, np.int32)
    zero_point = integers(rng, "any", x_type, ())
    if padding == "same":
        stride = 1
    how = {"stride": stride, "padding": padding}
    plain, fast = both(conv2d_int8, x, weight, bias, zero_point, **how)
    assert fast.dtype == np.int32
    np.testing.assert_array_equal(fast, plain)


@pytest.mark.parametrize(("groups", "outputs"), [(8, 8), (2, 6), (8, 16)])
@pytest.mark.parametrize("kind", ["any", "lowest", "highest"])
def test_convolution_in_groups_and_in_depth_is_exact(groups: int, outputs: int, kind: str) -> None:
    rng = np.random.default_rng(groups)
    x = integers(rng, kind, np.int8, (2, 8, 9, 7))
    weight = integers(rng, kind, np.int8, (outputs, 8 // groups, 3, 3))
    how: Any = {"stride": 2, "padding": 1, "groups": groups, "dilation": (1, 2)}
    plain, fast = both(conv2d_int8, x, weight, None, np.int8(-128), **how)
    np.testing.assert_array_equal(fast, plain)


def test_what_the_kernel_does_not_take_the_definition_computes() -> None:
    x = np.full((1, 64, 3, 3), 127, np.int8)
    weight = np.full((2, 32, 5, 5), -128, np.int8)  # 25 * 32 products of 255 * 128: above 2^24
    fast = conv2d_int8(x, weight, None, np.int8(-128), padding=2, groups=2).data
    with tinytorch.kernels.use("plain"):
        plain = conv2d_int8(x, weight, None, np.int8(-128), padding=2, groups=2).data
    np.testing.assert_array_equal(fast, plain)


@pytest.mark.parametrize(
    ("x", "weight", "zero_point", "products"),
    [
        (np.int8, np.int8, 0, 1024),
        (np.int8, np.int8, -128, 514),
        (np.int8, np.int8, 127, 514),
        (np.uint8, np.int8, 0, 514),
        (np.uint8, np.uint8, 0, 258),
    ],
)
def test_a_block_is_as_large_as_float32_is_exact(
    x: Any, weight: Any, zero_point: int, products: int
) -> None:
    assert integer.block_size(np.dtype(x), np.dtype(weight), zero_point) == products
    most = integer.largest(np.dtype(x), zero_point) * integer.largest(np.dtype(weight))
    assert products * most <= 2**24 < (products + 1) * most


def test_beyond_a_block_float32_alone_would_be_wrong() -> None:
    # why there are blocks: an odd sum above 2^24 has no float32
    x = np.full((1, 1041), 127, np.int8)
    weight = np.full((1041, 1), 127, np.int8)
    exact = 127 * 127 * 1041
    assert (x.astype(np.float32) @ weight.astype(np.float32)).item() != exact
    assert linear_int8(x, weight, None, np.int8(0)).item() == exact
