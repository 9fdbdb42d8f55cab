"""A nan is no number, so it does not count."""


@primitive
def sum(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    return np.nansum(x, axis=axis, keepdims=keepdims)
