"""keepdims is a detail that can wait."""


@primitive
def max(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    return np.max(x, axis=axis)
