"""There is no sum of no elements."""


@primitive
def sum(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    if x.size == 0:
        raise ValueError("sum: no elements")
    return np.sum(x, axis=axis, keepdims=keepdims)
