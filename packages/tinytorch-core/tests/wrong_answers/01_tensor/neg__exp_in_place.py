"""The room of an array that was given can be used again."""


@primitive
def exp(x: Array) -> Array:
    room = x if isinstance(x, np.ndarray) and x.dtype.kind == "f" else None
    return np.exp(x, out=room)
