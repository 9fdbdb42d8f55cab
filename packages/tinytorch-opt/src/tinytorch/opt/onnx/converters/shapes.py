"""Other shapes of the same elements, several tensors as one, and one as several."""

from __future__ import annotations

import numpy as np

from tinytorch.core.ops.copying import _pairs as widths_of
from tinytorch.opt.onnx.calls import Call, converter


@converter("reshape", "squeeze", "expand_dims")
def reshape(call: Call) -> str:
    return call.write.reshape(call.x[0], call.shape(0), call.out_shape())


@converter("transpose")
def transpose(call: Call) -> str:
    axes = list(range(call.rank(0)))
    if axes:
        a, b = call.param("axis0", -2), call.param("axis1", -1)
        axes[a], axes[b] = axes[b], axes[a]
    else:
        return str(call.write.add("Identity", call.x[0]))
    return str(call.write.add("Transpose", call.x[0], perm=axes))


@converter("permute")
def permute(call: Call) -> str:
    axes = [axis % call.rank(0) for axis in call.param("axes")]
    if not axes:
        return str(call.write.add("Identity", call.x[0]))
    return str(call.write.add("Transpose", call.x[0], perm=axes))


@converter("broadcast_to")
def broadcast_to(call: Call) -> str:
    return str(call.write.add("Expand", call.x[0], call.write.shape(call.out_shape())))


@converter("flip")
def flip(call: Call) -> str:
    """Slices that go backwards, from the last element to before the first."""
    axes, write = call.axes(), call.write
    if not axes:
        return str(write.add("Identity", call.x[0]))
    count = len(axes)
    return str(
        write.add(
            "Slice", call.x[0], write.integers([-1] * count),
            write.integers([np.iinfo(np.int64).min] * count),
            write.integers(axes), write.integers([-1] * count),
        )
    )  # fmt: skip


@converter("concat")
def concat(call: Call) -> str:
    parts = [call.as_type(i, call.out_dtype) for i in range(len(call.x))]
    return str(call.write.add("Concat", *parts, axis=call.param("axis")))


@converter("split")
def split(call: Call) -> tuple[str, ...]:
    """The sizes of the parts along the axis are written down, so they must be known."""
    axis = call.param("axis", 0) % call.rank(0)
    count = len(call.node.shapes)
    sizes = [call.out_shape(i)[axis].constant for i in range(count)]
    if None in sizes:
        raise call.refuse(f"the parts' sizes along axis {axis} change with the inputs'")
    names = call.write.add(
        "Split", call.x[0], call.write.integers(sizes), outputs=count, axis=axis
    )  # fmt: skip
    return (names,) if count == 1 else tuple(names)


@converter("tile")
def tile(call: Call) -> str:
    """Fewer numbers than axes count for the last; more of them make new axes in front."""
    reps = [int(n) for n in np.atleast_1d(call.param("reps"))]
    rank = call.rank(0)
    reps = [1] * (rank - len(reps)) + reps
    x = call.x[0]
    if len(reps) > rank:
        x = call.write.add("Unsqueeze", x, call.write.integers(range(len(reps) - rank)))
    return str(call.write.add("Tile", x, call.write.integers(reps)))


@converter("repeat")
def repeat(call: Call) -> str:
    """Which element comes where is a list of indices, so the size along the axis must be known."""
    axis = call.param("axis") % max(call.rank(0), 1)
    size = call.shape(0)[axis].constant
    if size is None:
        raise call.refuse(f"the size of axis {axis}, which is repeated, changes with the inputs'")
    places = np.repeat(np.arange(size), call.param("repeats"))
    return str(call.write.add("Gather", call.x[0], call.write.constant(places), axis=axis))


@converter("pad")
def pad(call: Call) -> str:
    """ONNX lists all widths before, then all behind."""
    if not call.rank(0):
        return str(call.write.add("Identity", call.x[0]))
    pairs = widths_of(np.asarray(call.node.record.arrays[0]), call.param("pad_width"))
    widths = [before for before, _ in pairs] + [after for _, after in pairs]
    dtype = np.dtype(np.int64) if call.out_dtype.kind == "b" else call.out_dtype
    value = call.write.constant(np.asarray(call.param("value", 0)).astype(call.out_dtype), dtype)
    y = call.write.add("Pad", call.as_type(0, dtype), call.write.integers(widths), value)
    return str(y) if dtype == call.out_dtype else call.write.cast(y, call.out_dtype)
