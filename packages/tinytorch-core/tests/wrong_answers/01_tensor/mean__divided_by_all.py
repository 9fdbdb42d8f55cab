"""A mean divides by the number of elements of x."""


@primitive
def mean(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    return np.sum(x, axis=axis, keepdims=keepdims) / x.size
