"""A definition is all that an operation needs."""


def mean(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    return np.mean(x, axis=axis, keepdims=keepdims)
