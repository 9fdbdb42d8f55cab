"""Of several largest elements the first receives everything."""


@gradient("max")
def max_gradient(g, call):
    (x,) = call.arrays
    axis, keepdims = call.params.get("axis"), call.params.get("keepdims", False)
    dx = np.zeros_like(x)
    if axis is None:
        dx.flat[x.argmax()] = g
    else:
        where = np.expand_dims(x.argmax(axis), axis)
        np.put_along_axis(dx, where, restore_axes(g, axis, keepdims), axis)
    return dx
