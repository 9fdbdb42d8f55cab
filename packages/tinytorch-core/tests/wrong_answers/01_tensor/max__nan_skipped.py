"""A nan is no number, so it does not count."""


@primitive
def max(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    return np.nanmax(x, axis=axis, keepdims=keepdims)
