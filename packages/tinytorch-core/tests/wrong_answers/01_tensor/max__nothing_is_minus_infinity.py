"""The maximum of nothing is minus infinity."""


@primitive
def max(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    return np.max(x, axis=axis, keepdims=keepdims, initial=-np.inf)
