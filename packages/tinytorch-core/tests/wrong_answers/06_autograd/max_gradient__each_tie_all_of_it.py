"""Each of several largest elements receives the whole gradient."""


@gradient("max")
def max_gradient(g, call):
    (x,) = call.arrays
    axis, keepdims = call.params.get("axis"), call.params.get("keepdims", False)
    return restore_axes(g, axis, keepdims) * (x == restore_axes(call.out, axis, keepdims))
