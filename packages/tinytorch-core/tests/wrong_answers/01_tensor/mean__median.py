"""The mean is what lies in the middle."""


@primitive
def mean(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    return np.median(x, axis=axis, keepdims=keepdims)
