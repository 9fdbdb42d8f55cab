"""A negative axis is the same axis, only negative."""


@primitive
def sum(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    if isinstance(axis, int):
        axis = abs(axis)
    return np.sum(x, axis=axis, keepdims=keepdims)
