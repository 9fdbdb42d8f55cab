"""The summed axis is put back although keepdims kept it."""


@gradient("sum")
def sum_gradient(g, call):
    axis = call.params.get("axis")
    if axis is not None:
        g = np.expand_dims(g, axis)
    return np.broadcast_to(g, call.arrays[0].shape)
