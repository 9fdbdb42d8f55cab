"""The axis is put back although keepdims kept it."""


@gradient("max")
def max_gradient(g: Array, call: Record) -> Any:
    (x,) = call.arrays
    axis, keepdims = call.params.get("axis"), False
    winners = x == restore_axes(call.out, axis, keepdims)
    ties = winners.sum(axis=axis, keepdims=True)
    return restore_axes(g, axis, keepdims) * winners / ties.astype(g.dtype)
