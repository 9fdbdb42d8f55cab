"""The first axis moves to where the second is, and the others move up."""


@primitive
def transpose(x: Array, *, axis0: int = -2, axis1: int = -1) -> Array:
    return np.moveaxis(x, axis0, axis1)
