"""The count of winners loses its axis, and a row's count divides a column."""


@gradient("max")
def max_gradient(g: Array, call: Record) -> Any:
    (x,) = call.arrays
    axis, keepdims = call.params.get("axis"), call.params.get("keepdims", False)
    winners = x == restore_axes(call.out, axis, keepdims)
    ties = winners.sum(axis=axis)
    return restore_axes(g, axis, keepdims) * winners / ties.astype(g.dtype)
