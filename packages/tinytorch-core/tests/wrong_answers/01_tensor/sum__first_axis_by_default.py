"""Without an axis the rows are added, as Python's sum does."""


@primitive
def sum(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    return np.sum(x, axis=0 if axis is None else axis, keepdims=keepdims)
