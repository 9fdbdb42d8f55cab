"""Adding into the first operand saves memory."""


@primitive
def add(x: Array, y: Array) -> Array:
    x += y
    return x
