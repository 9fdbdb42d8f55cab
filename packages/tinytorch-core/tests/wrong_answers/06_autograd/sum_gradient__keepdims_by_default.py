"""keepdims counts as True where it was not passed."""


@gradient("sum")
def sum_gradient(g: Array, call: Record) -> Any:
    g = restore_axes(g, call.params.get("axis"), call.params.get("keepdims", True))
    return np.broadcast_to(g, call.arrays[0].shape)
