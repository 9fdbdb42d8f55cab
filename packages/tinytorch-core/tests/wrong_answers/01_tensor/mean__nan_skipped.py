"""A nan is no number, so it does not count."""


@primitive
def mean(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    return np.nanmean(x, axis=axis, keepdims=keepdims)
