"""A sum is float32, like everything in a network: integers above 2**24 are rounded."""


@primitive
def sum(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    return np.sum(x, axis=axis, keepdims=keepdims, dtype=np.float32)
