"""Starting from 0 makes the maximum of nothing 0."""


@primitive
def max(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    if x.size == 0:
        raise ValueError("max: no elements")
    return np.max(x, axis=axis, keepdims=keepdims, initial=0)
