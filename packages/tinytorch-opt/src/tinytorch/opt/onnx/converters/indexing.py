"""x[index], for every index that NumPy knows and whose result has a size that is known.

Whole numbers, slices, new axes and "..." take the place of axes one by one. Arrays of indices (a
mask is the places where it is true) choose together: their axes are brought to the front and
GatherND picks. Left out: masks that depend on the inputs, whose result has a size that nobody can
know; use `where`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinytorch.opt.onnx.calls import Call, converter
from tinytorch.opt.onnx.dimensions import Dim, Shape
from tinytorch.opt.onnx.writer import Array

FAR = np.iinfo(np.int64).max


@converter("getitem")
def getitem(call: Call) -> str:
    """Slices first, then single numbers and new axes, then arrays of indices."""
    indices = [expanded(node.params["index"], call.rank(0)) for node in call.nodes]
    parts = list(zip(*indices, strict=True))  # for each entry, its values in the traces
    x, shape = sliced(call, parts)
    arrays = {}
    axis = 0  # of x, as it is after each step
    after: list[Dim] = []
    place = 0
    single = all(not isinstance(part[0], np.ndarray) for part in parts)
    for part in parts:
        first = part[0]
        if first is None:
            x = call.write.add("Unsqueeze", x, call.write.integers(axis))
            after.append(Dim(1))
            axis += 1
            continue
        if isinstance(first, int) and single:  # with arrays, a number is an array like them
            number = call.dim(part)
            if number.constant is None:
                raise call.refuse(f"the index {number} changes with the inputs' sizes")
            x = call.write.add("Gather", x, call.write.constant(np.int64(first)), axis=axis)
        else:
            if isinstance(first, int | np.ndarray):
                arrays[axis] = same(call, part)
            after.append(shape[place])
            axis += 1
        place += 1
    if not arrays:
        return x if x != call.x[0] else str(call.write.add("Identity", x))
    return gathered(
        call, x, tuple(after), arrays, [isinstance(p[0], int | np.ndarray) for p in parts]
    )


def expanded(index: Any, rank: int) -> list[Any]:
    """An index with one entry for each axis (and each new one): no "...", masks as places."""
    entries: list[Any] = []
    for entry in index if isinstance(index, tuple) else (index,):
        if isinstance(entry, list) or (not isinstance(entry, slice) and hasattr(entry, "dtype")):
            entry = np.asarray(
                getattr(entry, "data", entry) if not isinstance(entry, np.ndarray) else entry
            )
            if entry.dtype == bool:
                entries.extend(entry.nonzero())
                continue
            entry = entry if entry.ndim else int(entry)
        elif isinstance(entry, int | np.integer) and not isinstance(entry, bool):
            entry = int(entry)
        entries.append(entry)
    used = sum(entry is not None and entry is not Ellipsis for entry in entries)
    rest = [slice(None)] * (rank - used)
    for i, entry in enumerate(entries):
        if entry is Ellipsis:
            return entries[:i] + rest + entries[i + 1 :]
    return entries + rest


def sliced(call: Call, parts: list[tuple[Any, ...]]) -> tuple[str, Shape]:
    """Write all slices as one node; return its name, and the shape after it."""
    write = call.write
    starts, ends, axes, steps = [], [], [], []
    shape = list(call.shape(0))
    axis = 0
    for part in parts:
        if part[0] is None:
            continue
        if isinstance(part[0], slice) and part[0] != slice(None):
            sizes = [np.shape(node.record.arrays[0])[axis] for node in call.nodes]
            bounds = [s.indices(n) for s, n in zip(part, sizes, strict=True)]
            counts = [len(range(*b)) for b in bounds]
            step = call.dim([b[2] for b in bounds]).constant
            if step is None:
                raise call.refuse("the step of a slice changes with the inputs' sizes")
            starts.append(write.size(call.dim([b[0] for b in bounds])))
            if step < 0 and all(b[1] < 0 for b in bounds):  # to the first element, inclusive
                ends.append(write.integers(-FAR))
            else:
                ends.append(write.size(call.dim([b[1] for b in bounds])))
            axes.append(axis)
            steps.append(step)
            shape[axis] = call.dim(counts)
        axis += 1
    if not axes:
        return call.x[0], tuple(shape)
    first, last = (
        names[0] if len(names) == 1 else write.add("Concat", *names, axis=0)
        for names in (starts, ends)
    )
    name = write.add("Slice", call.x[0], first, last, write.integers(axes), write.integers(steps))
    return str(name), tuple(shape)


def same(call: Call, part: tuple[Any, ...]) -> Array:
    """An array of indices, which must be the same in all traces."""
    if any(not np.array_equal(part[0], other) for other in part[1:]):
        raise call.refuse(
            "its indices depend on the inputs, or on their sizes; take_along_axis and embedding "
            "take indices that are computed, and where() chooses by a mask"
        )
    return np.asarray(part[0], np.int64)


def gathered(
    call: Call,
    x: str,
    shape: Shape,
    arrays: dict[int, Any],
    chosen: list[bool],
) -> str:
    """Choose along several axes at once: bring them to the front, and let GatherND pick.

    chosen  for each entry of the index, whether it is a number or an array: where these stand
            together, NumPy puts the axes of the result in their place, else in front
    """
    write, rank = call.write, len(shape)
    indices = np.broadcast_arrays(*arrays.values())
    sizes = [shape[axis].constant for axis in arrays]
    if any(size is None and (i < 0).any() for i, size in zip(indices, sizes, strict=True)):
        raise call.refuse("it counts from the end of an axis whose size changes")
    counted = [
        np.where(i < 0, i + (n or 0), i) for i, n in zip(indices, sizes, strict=True)
    ]  # fmt: skip
    others = [axis for axis in range(rank) if axis not in arrays]
    if len(arrays) == 1:  # Gather puts the axes of the indices where the axis was
        (axis,) = arrays
        return str(write.add("Gather", x, write.constant(counted[0]), axis=axis))
    order = [*arrays, *others]
    if order != list(range(rank)):
        x = write.add("Transpose", x, perm=order)
    y = write.add("GatherND", x, write.constant(np.stack(counted, axis=-1)))
    new = indices[0].ndim
    places = [i for i, one in enumerate(chosen) if one]
    before = min(arrays) if places == list(range(places[0], places[-1] + 1)) else 0
    perm = [*range(new, new + before), *range(new), *range(new + before, new + len(others))]
    return str(write.add("Transpose", y, perm=perm)) if perm != sorted(perm) else str(y)
