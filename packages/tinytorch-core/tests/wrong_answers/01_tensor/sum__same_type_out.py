"""The sum has the type of the elements."""


@primitive
def sum(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    return np.sum(x, axis=axis, keepdims=keepdims, dtype=x.dtype)
