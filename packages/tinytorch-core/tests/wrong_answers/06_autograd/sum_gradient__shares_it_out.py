"""A sum divides its gradient among the elements, as a mean does."""


@gradient("sum")
def sum_gradient(g, call):
    (x,) = call.arrays
    g = restore_axes(g, call.params.get("axis"), call.params.get("keepdims", False))
    return np.broadcast_to(g / (x.size // call.out.size), x.shape)
