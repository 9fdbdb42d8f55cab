"""The result should lie row by row."""


@primitive
def transpose(x: Array, *, axis0: int = -2, axis1: int = -1) -> Array:
    return np.ascontiguousarray(np.swapaxes(x, axis0, axis1))
