"""The maximum is where the largest element is."""


@primitive
def max(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    return np.argmax(x, axis=axis, keepdims=keepdims)
