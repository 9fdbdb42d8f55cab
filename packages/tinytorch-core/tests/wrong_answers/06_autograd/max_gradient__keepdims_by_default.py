"""keepdims counts as True where it was not passed."""


@gradient("max")
def max_gradient(g: Array, call: Record) -> Any:
    (x,) = call.arrays
    axis, keepdims = call.params.get("axis"), call.params.get("keepdims", True)
    winners = x == restore_axes(call.out, axis, keepdims)
    ties = winners.sum(axis=axis, keepdims=True)
    return restore_axes(g, axis, keepdims) * winners / ties.astype(g.dtype)
