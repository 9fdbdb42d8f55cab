"""Adding two arrays puts one behind the other, as with lists."""


@primitive
def add(x: Array, y: Array) -> Array:
    return np.concatenate([np.atleast_1d(x), np.atleast_1d(y)])
