"""The count is the size of the axis."""


@primitive
def mean(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    count = x.size if axis is None else x.shape[axis]
    return np.sum(x, axis=axis, keepdims=keepdims) / count
