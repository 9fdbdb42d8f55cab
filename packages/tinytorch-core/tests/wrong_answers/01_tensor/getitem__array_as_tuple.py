"""An array of indices names a place along each axis."""


@primitive
def getitem(x: Array, *, index: Any) -> Array:
    return x[tuple(index)] if isinstance(index, np.ndarray) else x[index]
