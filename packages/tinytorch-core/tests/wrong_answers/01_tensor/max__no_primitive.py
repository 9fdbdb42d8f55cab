"""A definition is all that an operation needs."""


def max(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    return np.max(x, axis=axis, keepdims=keepdims)
