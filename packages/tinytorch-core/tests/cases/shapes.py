"""Cases of what moves, copies, joins and chooses elements."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from operation_helper import (
    Case,
    away,
    booleans,
    integers,
    normal,
    operation,
    row,
    turned,
    values,
    wide,
)

from tinytorch.core import ops


def as_torch(t: Any, index: Any) -> Any:
    """An index with torch's arrays in place of NumPy's."""
    if isinstance(index, tuple):
        return tuple(as_torch(t, i) for i in index)
    return t.tensor(index) if isinstance(index, np.ndarray | list) else index


def exchanged(x: Any, axis0: int, axis1: int) -> Any:
    """Two axes swapped, by naming all axes in their new order."""
    axes = list(range(x.ndim))
    axes[axis0], axes[axis1] = axes[axis1], axes[axis0]
    return np.transpose(x, axes)


TWICE = np.array([0, 2, 0, 0])
MASK = np.array([[True, False, True], [False, False, True]])

VIEWS: list[Case] = [
    *operation("reshape", row(normal(2, 3), shape=(3, 2)), row(normal(2, 3, 4), shape=(-1, 4)),
               row(normal(), shape=(1, 1)), row(normal(1, 1), shape=()),
               row(normal(0, 3), shape=(3, 0)), row(turned(normal(3, 4)), shape=(2, 6)),
               row(turned(normal(2, 3, 4)), shape=(24,)), row(wide(normal(4)), shape=(2, 2)),
               row(integers(0, 5, 2, 3), shape=(6,)),
               numpy=lambda x, shape: np.array(list(x.flat), x.dtype).reshape(shape),
               torch=lambda t, x, shape: x.reshape(shape)),
    *operation("transpose", row(normal(2, 3)), row(normal(2, 3, 4)),
               row(normal(2, 3, 4), axis0=0, axis1=2), row(normal(2, 3, 4), axis0=-3, axis1=1),
               row(normal(0, 3)), row(normal(1, 1)), row(turned(normal(3, 4))),
               row(integers(0, 5, 2, 3)),
               numpy=lambda x, axis0=-2, axis1=-1: exchanged(x, axis0, axis1),
               torch=lambda t, x, axis0=-2, axis1=-1: x.transpose(axis0, axis1)),
    *operation("getitem", row(normal(3, 4), index=1), row(normal(3, 4), index=(1, -1)),
               row(normal(3, 4), index=slice(1, None)),
               row(normal(3, 6), index=(slice(None), slice(1, None, 2))),
               row(normal(3, 4), index=slice(None, None, -1), torch=lambda t, x, index: x.flip(0)),
               row(normal(2, 3, 4), index=(Ellipsis, 0)), row(normal(3), index=(None, slice(None))),
               row(normal(3, 4), index=TWICE), row(normal(3, 4), index=(slice(None), TWICE)),
               row(normal(3, 4), index=(TWICE, np.array([1, 1, 1, 3]))),
               row(normal(3, 4), index=(np.array([[0], [2]]), np.array([1, 1]))),
               row(normal(2, 3), index=MASK), row(normal(2, 3, 4), index=MASK),
               row(normal(2, 3, 4), index=(slice(None), np.array([-1, 0]), slice(0, 2))),
               row(normal(2, 3), index=np.array([], np.int64)),
               row(normal(0, 3), index=slice(0, 5)),
               row(normal(), index=()), row(normal(), index=None),
               row(turned(normal(3, 4)), index=2),
               row(turned(normal(3, 4)), index=TWICE), row(wide(normal(3)), index=TWICE),
               row(integers(0, 9, 3, 4), index=TWICE), row(booleans(3), index=slice(1)),
               numpy=lambda x, index: x[index], torch=lambda t, x, index: x[as_torch(t, index)]),
    *operation("permute", row(normal(2, 3), axes=(1, 0)), row(normal(2, 3, 4), axes=(2, 0, 1)),
               row(normal(2, 3, 4), axes=(-2, -1, 0)), row(normal(), axes=()),
               row(normal(0, 3), axes=(1, 0)), row(turned(normal(2, 3, 4)), axes=(1, 2, 0)),
               row(integers(0, 3, 2, 3), axes=(0, 1)),
               numpy=lambda x, axes: np.moveaxis(x, axes, range(x.ndim)),
               torch=lambda t, x, axes: x.permute(axes)),
    *operation("squeeze", row(normal(1, 3, 1)), row(normal(1, 3, 1), axis=0),
               row(normal(1, 3, 1), axis=(0, -1)), row(normal(2, 3)), row(normal(1, 1)),
               row(normal()), row(normal(1, 0)), row(turned(normal(3, 4, 1)), axis=-1),
               numpy=lambda x, axis=None: x.reshape(
                   [n for a, n in enumerate(x.shape) if n != 1 or (
                       axis is not None and a not in np.atleast_1d(axis) % x.ndim)]),
               torch=lambda t, x, axis=None: x.squeeze() if axis is None else x.squeeze(axis)),
    *operation("expand_dims", row(normal(2, 3), axis=0), row(normal(2, 3), axis=-1),
               row(normal(2, 3), axis=1), row(normal(), axis=0), row(normal(0), axis=0),
               row(turned(normal(3, 4)), axis=1), row(booleans(2), axis=1),
               numpy=lambda x, axis: x[(slice(None),) * (axis % (x.ndim + 1)) + (None,)],
               torch=lambda t, x, axis: x.unsqueeze(axis)),
    *operation("flatten", row(normal(2, 3, 4)), row(normal(2, 3, 4), start_axis=1),
               row(normal(2, 3, 4), end_axis=1), row(normal(2, 3, 4), start_axis=-2, end_axis=-1),
               row(normal()), row(normal(0, 3)), row(turned(normal(2, 3, 4))), call=ops.flatten,
               numpy=lambda x, start_axis=0, end_axis=-1: np.atleast_1d(x).reshape(
                   *x.shape[:start_axis], -1 if x.size else 0,
                   *x.shape[end_axis % max(x.ndim, 1) + 1:]),
               torch=lambda t, x, start_axis=0, end_axis=-1: x.flatten(start_axis, end_axis)),
    *operation("broadcast_to", row(normal(3), shape=(2, 3)), row(normal(2, 1), shape=(2, 3)),
               row(normal(), shape=(2, 3)), row(normal(1, 3), shape=(4, 1, 3)),
               row(normal(2, 3), shape=(2, 3)), row(normal(1, 3), shape=(0, 3)),
               row(integers(0, 5, 3), shape=(2, 3)),
               numpy=lambda x, shape: x + np.zeros(shape, x.dtype),
               torch=lambda t, x, shape: x.expand(shape)),
    *operation("flip", row(normal(2, 3)), row(normal(2, 3), axis=0), row(normal(2, 3), axis=-1),
               row(normal(2, 3, 4), axis=(0, 2)), row(normal()), row(normal(0, 3), axis=0),
               row(turned(normal(3, 4)), axis=1), row(integers(0, 5, 4), axis=0),
               numpy=lambda x, axis=None: x[tuple(
                   slice(None, None, -1 if axis is None or a in np.atleast_1d(axis) % x.ndim else 1)
                   for a in range(x.ndim))],
               torch=lambda t, x, axis=None: x.flip(
                   tuple(range(x.ndim)) if axis is None else axis)),
]  # fmt: skip


COPIES: list[Case] = [
    *operation("clone", row(normal(2, 3)), row(normal()), row(normal(0)), row(turned(normal(3, 4))),
               row(integers(0, 5, 2)), row(wide(normal(2))),
               numpy=lambda x: x * np.ones((), x.dtype), torch=lambda t, x: x.clone()),
    *operation("cast", row(normal(2, 3), dtype=np.float64),
               row(normal(2, 3), dtype=np.float32, kink=True),
               row(wide(normal(2, 3)), dtype=np.float32, kink=True),
               row(normal(), dtype=np.float64),
               row(normal(2, 3), dtype=np.float16, kink=True), row(normal(0), dtype=np.float64),
               row(integers(0, 5, 2, 3), dtype=np.float32), row(booleans(3), dtype=np.float64),
               row(turned(normal(3, 4)), dtype=np.float64), call=ops.astype,
               numpy=lambda x, dtype: x.astype(dtype),
               torch=lambda t, x, dtype: x.to(getattr(t, np.dtype(dtype).name))),
    *operation("convert", row(away(2, 3), dtype=np.int64), row(away(2, 3), dtype=bool),
               row(away(), dtype=np.int32), row(integers(0, 3, 4), dtype=bool),
               row(booleans(3), dtype=np.uint8), row(normal(0), dtype=np.int8), call=ops.astype,
               numpy=lambda x, dtype: x != 0 if dtype is bool else np.trunc(x).astype(dtype),
               torch=lambda t, x, dtype: x.to(getattr(t, np.dtype(dtype).name))),
    *operation("tile", row(normal(2, 3), reps=2), row(normal(2, 3), reps=(2, 3)),
               row(normal(3), reps=(2, 1, 2)), row(normal(2, 3), reps=(4, 1)),
               row(normal(), reps=3),
               row(normal(2, 3), reps=(0, 2)), row(normal(0, 3), reps=(2, 2)),
               row(turned(normal(3, 4)), reps=(2, 2)), row(integers(0, 5, 3), reps=2),
               row(normal(2), reps=()),
               numpy=lambda x, reps: np.kron(np.ones(reps, x.dtype), x)
               if x.size and reps != () else np.tile(x, reps),
               torch=lambda t, x, reps: x.tile(reps if isinstance(reps, tuple) else (reps,))),
    *operation("repeat", row(normal(2, 3), repeats=2, axis=0),
               row(normal(2, 3), repeats=3, axis=-1),
               row(normal(2, 3), repeats=[2, 0, 3], axis=1), row(normal(2, 3), repeats=0, axis=0),
               row(normal(0, 3), repeats=2, axis=0), row(turned(normal(3, 4)), repeats=2, axis=1),
               row(integers(0, 5, 3), repeats=(1, 2, 3), axis=0),
               numpy=lambda x, repeats, axis: np.take(
                   x, [i for i, n in enumerate(np.ones(x.shape[axis], int) * repeats)
                       for _ in range(n)], axis) if x.size else np.repeat(x, repeats, axis),
               torch=lambda t, x, repeats, axis: x.repeat_interleave(
                   repeats if isinstance(repeats, int) else t.tensor(repeats), dim=axis)),
    *operation("pad", row(normal(2, 3), pad_width=1), row(normal(2, 3), pad_width=(1, 2)),
               row(normal(2, 3), pad_width=((0, 1), (2, 0))), row(normal(2, 3), pad_width=0),
               row(normal(2, 3), pad_width=1, value=-2.5), row(normal(0, 3), pad_width=1),
               row(normal(3), pad_width=[[1, 0]]), row(turned(normal(3, 4)), pad_width=1),
               row(integers(0, 5, 3), pad_width=1, value=7), row(normal(), pad_width=1),
               numpy=lambda x, pad_width, value=0: np.pad(
                   x, pad_width, constant_values=value) if x.ndim else x,
               torch=lambda t, x, pad_width, value=0: t.nn.functional.pad(
                   x, np.broadcast_to(pad_width, (x.ndim, 2))[::-1].flatten().tolist(),
                   value=value) if x.ndim else x.clone()),
]  # fmt: skip


JOINS: list[Case] = [
    *operation("concat", row(normal(2, 3), normal(4, 3)), row(normal(2, 3), normal(2, 1), axis=1),
               row(normal(2, 3), normal(2, 2), normal(2, 1), axis=-1), row(normal(2, 3)),
               row(normal(0, 3), normal(2, 3)), row(normal(2, 3), normal(2, 3), axis=-2),
               row(turned(normal(3, 4)), normal(3, 4)), row(wide(normal(2)), wide(normal(3))),
               row(wide(normal(2)), normal(3)), row(integers(0, 5, 2), integers(0, 5, 3)),
               row(normal(2), integers(0, 5, 3)), row(normal(0), normal(0)),
               call=lambda *x, axis=0: ops.concatenate(x, axis=axis),
               numpy=lambda *x, axis=0: np.moveaxis(np.array(
                   [line for a in x for line in np.moveaxis(a, axis, 0)],
                   np.result_type(*x)).reshape(-1, *np.moveaxis(x[0], axis, 0).shape[1:]), 0, axis),
               torch=lambda t, *x, axis=0: t.concatenate(x, dim=axis)),
    *operation("stack", row(normal(2, 3), normal(2, 3)), row(normal(2, 3), normal(2, 3), axis=1),
               row(normal(2, 3), normal(2, 3), normal(2, 3), axis=-1), row(normal(), normal()),
               row(normal(0), normal(0)), row(normal(2)), row(integers(0, 5, 2), integers(0, 5, 2)),
               call=lambda *x, axis=0: ops.stack(x, axis=axis),
               numpy=lambda *x, axis=0: np.moveaxis(np.array(x), 0, axis),
               torch=lambda t, *x, axis=0: t.stack(x, dim=axis)),
    *operation("split", row(normal(4, 3), sections=2), row(normal(2, 6), sections=3, axis=1),
               row(normal(5, 2), sections=(1, 4)), row(normal(2, 5), sections=[2], axis=-1),
               row(normal(4), sections=(2, 2)), row(normal(0, 3), sections=1),
               row(turned(normal(4, 4)), sections=2), row(integers(0, 5, 4), sections=2),
               numpy=lambda x, sections, axis=0: pieces(x, sections, axis),
               torch=lambda t, x, sections, axis=0: t.tensor_split(x, sections, dim=axis)),
]  # fmt: skip


def pieces(x: Any, sections: Any, axis: int) -> Any:
    """Parts of x, taken one by one."""
    n = x.shape[axis]
    if isinstance(sections, int):
        sections = range(n // sections, n, max(n // sections, 1))
    ends = [0, *sections, n]
    return [np.take(x, np.arange(a, b), axis) for a, b in pairwise(ends)]


def blend(condition: Any, x: Any, y: Any) -> Any:
    """Where, as arithmetic."""
    chosen = (np.asarray(condition) != 0).astype(np.result_type(x, y))
    return chosen * x + (1 - chosen) * y


CHOICES: list[Case] = [
    *operation("where", row(booleans(2, 3), normal(2, 3), normal(2, 3)),
               row(booleans(2, 3), normal(3), normal(2, 1)), row(booleans(3), normal(2, 3), 0.5),
               row(booleans(2, 1), -1.0, normal(3)), row(booleans(), normal(2, 3), normal()),
               row(booleans(0, 3), normal(3), normal()), row(booleans(1), normal(1), normal(1)),
               row(booleans(3, 4), turned(normal(3, 4)), normal(4)),
               row(booleans(3), wide(normal(3)), wide(normal(3))),
               row(booleans(4), integers(0, 5, 4), integers(0, 5, 4)),
               row(booleans(4), normal(4), integers(0, 5, 4)),
               numpy=blend, torch=lambda t, c, x, y: t.where(c, x, y)),
    *operation("masked_fill", row(normal(2, 3), booleans(2, 3), value=-1.5),
               row(normal(2, 3), booleans(3), value=0),
               row(normal(2, 3), booleans(2, 1), value=2.5),
               row(normal(2, 2, 3), booleans(2, 3), value=-np.inf, kink=True),
               row(normal(), booleans(), value=1),
               row(normal(0, 3), booleans(3), value=1.0),
               row(integers(0, 5, 4), booleans(4), value=9),
               row(turned(normal(3, 4)), booleans(3, 4), value=1.0),
               row(wide(normal(3)), booleans(3), value=0.5),
               numpy=lambda x, mask, value: np.array(
                   [value if m else v for v, m in zip(
                       x.flat, np.broadcast_to(mask, x.shape).flat, strict=True)],
                   x.dtype).reshape(x.shape),
               torch=lambda t, x, mask, value: x.masked_fill(mask, value)),
    *operation("take_along_axis", row(normal(2, 3), integers(0, 3, 2, 5), axis=1),
               row(normal(4, 3), integers(0, 4, 2, 3), axis=0),
               row(normal(2, 3, 4), integers(0, 3, 2, 1, 4), axis=-2),
               row(normal(4, 3), integers(0, 4, 2, 1), axis=0),  # broadcasts over the second axis
               row(normal(1, 3), integers(0, 3, 2, 2), axis=1),
               row(normal(3), values([0, 0, 2, 0], np.int64), axis=0),
               row(normal(2, 3), integers(-3, 0, 2, 2), axis=1,
                   torch=lambda t, x, i, axis: t.take_along_dim(x, i + 3, dim=axis)),
               row(normal(2, 3), integers(0, 3, 2, 0), axis=1),
               row(normal(0, 3), integers(0, 3, 0, 2), axis=1),
               row(turned(normal(3, 4)), integers(0, 4, 3, 2), axis=1),
               row(integers(0, 9, 3), integers(0, 3, 4), axis=0),
               numpy=lambda x, i, axis: np.take_along_axis(x, i, axis),
               torch=lambda t, x, i, axis: t.take_along_dim(x, i, dim=axis)),
    *[case for name in ("tril", "triu") for case in operation(
        name, row(normal(3, 3)), row(normal(3, 4), k=1), row(normal(4, 3), k=-1),
        row(normal(2, 3, 3)), row(normal(0, 3)), row(turned(normal(3, 4)), k=-1),
        row(integers(1, 5, 3, 3)), row(booleans(3, 3)), row(wide(normal(2, 2)), k=2),
        numpy=lambda x, k=0, lower=name == "tril": x * (
            (np.arange(x.shape[-1]) - np.arange(x.shape[-2])[:, None] <= k) if lower else
            (np.arange(x.shape[-1]) - np.arange(x.shape[-2])[:, None] >= k)).astype(x.dtype),
        torch=lambda t, x, k=0, name=name: getattr(t, name)(x, k))],
    *operation("one_hot", row(integers(0, 4, 5), num_classes=4), row(integers(0, 3, 2, 2),
               num_classes=3), row(integers(0, 3), num_classes=3), row(integers(0, 3, 0),
               num_classes=3), row(integers(0, 3, 2), num_classes=3, dtype=np.int64),
               numpy=lambda x, num_classes, dtype=np.float32:
                   (x[..., None] == np.arange(num_classes)).astype(dtype),
               torch=lambda t, x, num_classes, dtype=np.float32: t.nn.functional.one_hot(
                   x, num_classes).to(getattr(t, np.dtype(dtype).name))),
]  # fmt: skip

CASES = VIEWS + COPIES + JOINS + CHOICES
