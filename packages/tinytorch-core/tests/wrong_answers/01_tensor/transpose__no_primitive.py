"""A definition is all that an operation needs."""


def transpose(x: Array, *, axis0: int = -2, axis1: int = -1) -> Array:
    return np.swapaxes(x, axis0, axis1)
