"""A transposed matrix is the same numbers in the other shape."""


@primitive
def transpose(x: Array, *, axis0: int = -2, axis1: int = -1) -> Array:
    shape = list(x.shape)
    shape[axis0], shape[axis1] = shape[axis1], shape[axis0]
    return np.reshape(x, shape)
