"""The mean has the type of the elements."""


@primitive
def mean(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    return np.mean(x, axis=axis, keepdims=keepdims, dtype=x.dtype)
