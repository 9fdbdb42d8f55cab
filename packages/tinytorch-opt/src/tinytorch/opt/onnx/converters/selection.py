"""Choosing elements: by a condition, by their place, by their order."""

from __future__ import annotations

import numpy as np

from tinytorch.opt.onnx.calls import Call, converter


@converter("where")
def where(call: Call) -> str:
    x, y = (call.as_type(i, call.out_dtype) for i in (1, 2))
    return str(call.write.add("Where", call.as_type(0, bool), x, y))


@converter("masked_fill")
def masked_fill(call: Call) -> str:
    value = call.write.constant(np.asarray(call.param("value")).astype(call.out_dtype))
    return str(call.write.add("Where", call.x[1], value, call.x[0]))


@converter("take_along_axis")
def take_along_axis(call: Call) -> str:
    """NumPy broadcasts the two, but along the axis; GatherElements wants them to fit already."""
    write, axis = call.write, call.param("axis") % call.rank(0)
    x, indices = call.shape(0), call.shape(1)
    wide_x, wide_indices = list(call.out_shape()), list(call.out_shape())
    wide_x[axis], wide_indices[axis] = x[axis], indices[axis]
    names = [call.x[0], call.as_type(1, np.int64)]
    for i, (before, after) in enumerate(((x, wide_x), (indices, wide_indices))):
        if tuple(before) != tuple(after):
            names[i] = write.add("Expand", names[i], write.shape(tuple(after)))
    return str(write.add("GatherElements", *names, axis=axis))


@converter("tril", "triu")
def triangle(call: Call) -> str:
    k = call.write.constant(np.int64(call.param("k", 0)))
    return str(call.write.add("Trilu", call.x[0], k, upper=int(call.node.name == "triu")))


@converter("one_hot")
def one_hot(call: Call) -> str:
    """An index equals the number of its class, and no other."""
    write = call.write
    classes = write.constant(np.arange(call.param("num_classes")))
    indices = write.add("Unsqueeze", call.as_type(0, np.int64), write.integers(-1))
    return write.cast(write.add("Equal", indices, classes), call.out_dtype)


@converter("argsort")
def argsort(call: Call) -> str:
    """All of them, by size; of equal elements TopK gives the earlier first, as NumPy does."""
    write = call.write
    if not call.rank(0):
        return str(write.constant(np.int64(0)))
    axis = call.param("axis", -1) % call.rank(0)
    x = call.x[0] if call.dtype(0).kind == "f" else call.as_type(0, np.int64)
    _, places = write.add(
        "TopK", x, write.size(call.shape(0)[axis]), outputs=2, axis=axis,
        largest=int(call.param("descending", False)), sorted=1,
    )  # fmt: skip
    return str(places)
