"""Adding up is a running total."""


@primitive
def sum(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    if axis is None:
        return np.cumsum(x)[-1]
    return np.sum(x, axis=axis, keepdims=keepdims)
