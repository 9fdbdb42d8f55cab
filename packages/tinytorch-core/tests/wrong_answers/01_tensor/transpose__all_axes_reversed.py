"""Transposing turns all axes around."""


@primitive
def transpose(x: Array, *, axis0: int = -2, axis1: int = -1) -> Array:
    if (axis0, axis1) == (-2, -1):
        return np.transpose(x)
    return np.swapaxes(x, axis0, axis1)
