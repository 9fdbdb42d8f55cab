"""A definition is all that an operation needs."""


def exp(x: Array) -> Array:
    return np.exp(x)
