"""Cases of module 09: convolution, pooling, batch normalisation.

The NumPy expressions cut the image into windows and sum over them; nothing is shifted.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from operation_helper import (
    Case,
    Make,
    away,
    between,
    distinct,
    integers,
    normal,
    operation,
    row,
    spaced,
    stretched,
    turned,
    values,
    wide,
)


def channels_last(make: Make) -> Make:
    """The same values, with the channels last in memory: how convolutions hand images on."""
    return lambda rng: np.ascontiguousarray(make(rng).transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)


def both(value: Any) -> Any:
    return (value, value) if isinstance(value, int) else tuple(value)


def windows(
    x: Any, kernel: Any, stride: Any, padding: Any, dilation: Any = 1, fill: Any = 0
) -> Any:
    """What the kernel sees where it stands: (N, C, H, W) -> (N, C, H', W', kh, kw)."""
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, both(dilation), strict=True)]
    if padding == "same":
        margins = [((r - 1) // 2, r - 1 - (r - 1) // 2) for r in reach]
    else:
        margins = [(p, p) for p in both(0 if padding == "valid" else padding)]
    if np.any(margins):
        x = np.pad(x, ((0, 0), (0, 0), *margins), constant_values=fill)
    (down, across), (far_down, far_across) = both(stride), both(dilation)
    seen = sliding_window_view(x, reach, axis=(2, 3))
    return seen[:, :, ::down, ::across, ::far_down, ::far_across]


def expected_conv2d(
    x: Any, weight: Any, bias: Any, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
    groups: int = 1,
) -> Any:  # fmt: skip
    seen = windows(x, weight.shape[2:], stride, padding, dilation)
    parts = [
        np.einsum("nchwij,ocij->nohw", s, w)
        for s, w in zip(np.split(seen, groups, 1), np.split(weight, groups), strict=True)
    ]
    y = np.concatenate(parts, axis=1)
    return y if bias is None else y + bias[:, None, None]


def conv2d_of_torch(t: Any, x: Any, weight: Any, bias: Any, **params: Any) -> Any:
    common = t.promote_types(x.dtype, weight.dtype)
    bias = bias if bias is None else bias.to(common)
    return t.nn.functional.conv2d(x.to(common), weight.to(common), bias, **params)


def pooled(name: str, fill: float, reduce: Any) -> Any:
    def expected(x: Any, kernel_size: Any, stride: Any = None, padding: Any = 0) -> Any:
        step = kernel_size if stride is None else stride
        return reduce(windows(x, both(kernel_size), step, padding, fill=fill), axis=(-2, -1))

    return {"numpy": expected, "torch": lambda t, x, **p: getattr(t.nn.functional, name)(x, **p)}


def expected_batch_norm(x: Any, weight: Any, bias: Any, eps: float = 1e-5) -> Any:
    mean, var = x.mean((0, 2, 3)), x.var((0, 2, 3))
    return expected_batch_norm_eval(x, weight, bias, mean, var, eps), mean, var


def expected_batch_norm_eval(
    x: Any, weight: Any, bias: Any, mean: Any, var: Any, eps: float = 1e-5
) -> Any:
    y = (np.moveaxis(x, 1, -1) - mean) / np.sqrt(var + np.asarray(eps, x.dtype))
    y = y if weight is None else y * weight
    return np.moveaxis(y if bias is None else y + bias, -1, 1)


def batch_norm_of_torch(t: Any, x: Any, weight: Any, bias: Any, eps: float = 1e-5) -> Any:
    y = t.nn.functional.batch_norm(x, None, None, weight, bias, training=True, eps=eps)
    return y, x.mean((0, 2, 3)), x.var((0, 2, 3), correction=0)


def batch_norm_eval_of_torch(
    t: Any, x: Any, weight: Any, bias: Any, mean: Any, var: Any, eps: float = 1e-5
) -> Any:
    """By hand: PyTorch gives no gradient to its running statistics."""
    mean, var = mean[:, None, None], var[:, None, None]
    y = (x - mean) / t.sqrt(var + eps)
    y = y if weight is None else y * weight[:, None, None]
    return y if bias is None else y + bias[:, None, None]


def expected_adaptive(x: Any, output_size: Any) -> Any:
    """Patch by patch."""
    sizes = both(output_size) if output_size is not None else (None, None)
    edges = []
    for size, parts in zip(x.shape[2:], sizes, strict=True):
        parts = size if parts is None else parts
        edges.append([(i * size // parts, -(-(i + 1) * size // parts)) for i in range(parts)])
    return np.array(
        [[x[:, :, a:b, c:d].mean((2, 3)) for c, d in edges[1]] for a, b in edges[0]]
    ).transpose(2, 3, 0, 1)


CONVOLUTIONS: list[Case] = [
    *operation("conv2d", row(normal(2, 3, 5, 6), normal(4, 3, 3, 3), normal(4)),
               row(normal(2, 3, 5, 6), normal(4, 3, 3, 3), None),
               row(normal(1, 1, 1, 1), normal(1, 1, 1, 1), normal(1)),
               row(normal(2, 3, 4, 5), normal(4, 3, 1, 1), normal(4)),
               row(normal(2, 3, 6, 7), normal(4, 3, 1, 1), normal(4), stride=2),
               row(normal(2, 3, 5, 6), normal(4, 3, 3, 3), normal(4), padding=1),
               row(normal(2, 3, 5, 6), normal(4, 3, 3, 2), normal(4), padding=(2, 1)),
               row(normal(2, 3, 8, 7), normal(4, 3, 3, 3), normal(4), stride=2, padding=1),
               row(normal(2, 3, 8, 7), normal(4, 3, 2, 3), normal(4), stride=(3, 1),
                   padding=(0, 2)),
               row(normal(2, 3, 8, 9), normal(4, 3, 3, 2), normal(4), dilation=(2, 3)),
               row(normal(1, 2, 9, 9), normal(3, 2, 3, 3), None, stride=2, padding=2, dilation=2),
               row(normal(2, 3, 5, 6), normal(4, 3, 3, 3), normal(4), padding="same"),
               row(normal(2, 3, 5, 6), normal(4, 3, 3, 3), normal(4), padding="valid"),
               row(normal(1, 2, 6, 7), normal(3, 2, 5, 3), normal(3), padding="same", dilation=2),
               row(normal(2, 4, 5, 5), normal(6, 2, 3, 3), normal(6), groups=2, padding=1),
               row(normal(2, 4, 5, 5), normal(4, 1, 3, 3), normal(4), groups=4),
               row(normal(2, 3, 7, 5), normal(6, 1, 3, 3), None, groups=3, stride=2, padding=1),
               row(normal(1, 4, 6, 6), normal(4, 1, 2, 2), normal(4), groups=4, dilation=2),
               row(normal(0, 3, 5, 6), normal(4, 3, 3, 3), normal(4), padding=1),
               row(channels_last(normal(2, 3, 5, 6)), normal(4, 3, 3, 3), normal(4), padding=1),
               row(turned(normal(2, 3, 5, 6)), turned(normal(4, 3, 3, 3)), normal(4)),
               row(spaced(normal(2, 3, 5, 6)), spaced(normal(4, 3, 3, 3)), spaced(normal(4))),
               row(stretched(normal(2, 3, 5, 6)), normal(4, 3, 3, 3), normal(4)),
               row(wide(normal(2, 3, 5, 6)), wide(normal(4, 3, 3, 3)), wide(normal(4)), padding=1),
               row(normal(2, 3, 5, 6), wide(normal(4, 3, 3, 3)), None),
               row(channels_last(normal(3, 40, 9, 8)), normal(6, 40, 3, 3), normal(6), padding=1,
                   large=True),
               row(normal(2, 40, 9, 8), normal(6, 40, 3, 3), normal(6), stride=2, large=True),
               row(normal(2, 16, 12, 11), normal(5, 16, 3, 3), normal(5), padding=1, large=True),
               row(normal(2, 3, 14, 13), normal(8, 3, 5, 5), normal(8), padding=2, large=True),
               row(channels_last(normal(2, 24, 12, 11)), normal(24, 1, 3, 3), normal(24), groups=24,
                   padding=1, large=True),
               row(normal(2, 24, 9, 8), normal(10, 24, 1, 1), normal(10), large=True),
               numpy=expected_conv2d, torch=conv2d_of_torch),
]  # fmt: skip

POOLINGS: list[Case] = [
    *operation("max_pool2d", row(distinct(2, 3, 4, 6), kernel_size=2),
               row(distinct(2, 3, 5, 7), kernel_size=2),
               row(distinct(2, 3, 5, 7), kernel_size=3, stride=1),
               row(distinct(2, 3, 5, 7), kernel_size=3, stride=2, padding=1),
               row(distinct(2, 3, 5, 7), kernel_size=(2, 3), stride=(1, 2), padding=(1, 0)),
               row(distinct(2, 3, 7, 7), kernel_size=2, stride=3),
               row(distinct(1, 1, 1, 1), kernel_size=1), row(distinct(0, 3, 4, 4), kernel_size=2),
               row(integers(0, 3, 2, 3, 4, 4), kernel_size=2),
               row(values([[[[1, 1, 0], [1, 1, 0], [0, 0, 0]]]]), kernel_size=2, stride=1,
                   kink=True),
               row(values([[[[2, 2, 5, 5], [2, 2, 1, 5]]]]), kernel_size=2, kink=True),
               row(values([[[[-np.inf] * 4, [-np.inf, 1, 2, 3]]]]), kernel_size=2, kink=True,
                   noisy=True),
               row(channels_last(distinct(2, 3, 4, 6)), kernel_size=2),
               row(turned(distinct(2, 3, 4, 6)), kernel_size=2),
               row(spaced(distinct(2, 3, 4, 6)), kernel_size=2),
               row(wide(distinct(2, 3, 4, 6)), kernel_size=2, padding=1),
               row(distinct(4, 24, 16, 20), kernel_size=2, large=True),
               row(channels_last(distinct(4, 24, 16, 20)), kernel_size=2, large=True),
               row(channels_last(distinct(4, 24, 17, 15)), kernel_size=3, stride=2, padding=1,
                   large=True),
               **pooled("max_pool2d", -np.inf, np.max)),
    *operation("avg_pool2d", row(normal(2, 3, 4, 6), kernel_size=2),
               row(normal(2, 3, 5, 7), kernel_size=2),
               row(normal(2, 3, 5, 7), kernel_size=3, stride=1),
               row(normal(2, 3, 5, 7), kernel_size=3, stride=2, padding=1),
               row(normal(2, 3, 5, 7), kernel_size=(2, 3), stride=(1, 2), padding=(1, 0)),
               row(normal(1, 1, 1, 1), kernel_size=1), row(normal(0, 3, 4, 4), kernel_size=2),
               row(channels_last(normal(2, 3, 4, 6)), kernel_size=2),
               row(turned(normal(2, 3, 4, 6)), kernel_size=2),
               row(wide(normal(2, 3, 4, 6)), kernel_size=2, padding=1),
               row(normal(4, 24, 16, 20), kernel_size=2, large=True),
               row(channels_last(normal(4, 24, 17, 15)), kernel_size=3, stride=2, padding=1,
                   large=True),
               **pooled("avg_pool2d", 0, np.mean)),
    *operation("adaptive_avg_pool2d", row(normal(2, 3, 4, 6), output_size=2),
               row(normal(2, 3, 5, 7), output_size=1), row(normal(2, 3, 5, 7), output_size=(2, 3)),
               row(normal(2, 3, 5, 7), output_size=(None, 3)),
               row(normal(0, 3, 4, 4), output_size=1),
               row(normal(2, 3, 4, 4), output_size=6),  # patches overlap: more come out than in
               row(channels_last(normal(2, 3, 5, 7)), output_size=1),
               row(turned(normal(2, 3, 5, 7)), output_size=(2, 1)),
               row(wide(normal(2, 3, 5, 7)), output_size=3),
               numpy=expected_adaptive,
               torch=lambda t, x, output_size: t.nn.functional.adaptive_avg_pool2d(x, output_size)),
]  # fmt: skip

NORMALIZATIONS: list[Case] = [
    *operation("batch_norm2d", row(normal(4, 3, 2, 5), normal(3), normal(3)),
               row(normal(4, 3, 2, 5), None, None), row(normal(4, 3, 2, 5), normal(3), None),
               row(normal(4, 3, 2, 5), normal(3), normal(3), eps=0.5),
               row(wide(between(50, 51, 4, 3, 5, 5)), wide(normal(3)), wide(normal(3)), eps=1e-3),
               row(normal(2, 1, 1, 1), normal(1), normal(1), eps=0.1),
               row(normal(1, 3, 4, 4), normal(3), normal(3)),
               row(channels_last(normal(4, 3, 2, 5)), normal(3), normal(3)),
               row(turned(normal(4, 3, 2, 5)), spaced(normal(3)), normal(3)),
               row(wide(normal(4, 3, 2, 5)), wide(normal(3)), wide(normal(3))),
               row(normal(8, 24, 12, 11), normal(24), normal(24), large=True),
               row(channels_last(normal(8, 24, 12, 11)), normal(24), normal(24), large=True),
               row(channels_last(normal(8, 24, 12, 11)), None, None, large=True),
               numpy=expected_batch_norm, torch=batch_norm_of_torch),
    *operation("batch_norm2d_eval",
               row(normal(4, 3, 2, 5), normal(3), normal(3), normal(3), between(0.2, 2, 3)),
               row(normal(4, 3, 2, 5), None, None, normal(3), between(0.2, 2, 3), eps=0.5),
               row(normal(4, 3, 2, 5), away(3), None, normal(3), between(0.2, 2, 3)),
               row(normal(0, 3, 2, 5), normal(3), normal(3), normal(3), between(0.2, 2, 3)),
               row(channels_last(normal(4, 3, 2, 5)), normal(3), normal(3), normal(3),
                   between(0.2, 2, 3)),
               row(wide(normal(4, 3, 2, 5)), wide(normal(3)), wide(normal(3)), wide(normal(3)),
                   wide(between(0.2, 2, 3))),
               row(normal(8, 24, 12, 11), normal(24), normal(24), normal(24),
                   between(0.2, 2, 24), large=True),
               row(channels_last(normal(8, 24, 12, 11)), normal(24), normal(24), normal(24),
                   between(0.2, 2, 24), large=True),
               numpy=expected_batch_norm_eval, torch=batch_norm_eval_of_torch),
]  # fmt: skip

CASES = CONVOLUTIONS + POOLINGS + NORMALIZATIONS
