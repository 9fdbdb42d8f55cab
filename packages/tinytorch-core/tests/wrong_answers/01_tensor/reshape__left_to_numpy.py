"""NumPy explains well enough that the count does not fit."""


@primitive
def reshape(x: Array, *, shape: tuple[int, ...]) -> Array:
    return np.reshape(x, shape)
