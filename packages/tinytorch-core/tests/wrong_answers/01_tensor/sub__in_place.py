"""-= saves memory."""


@primitive
def sub(x: Array, y: Array) -> Array:
    x -= y
    return x
