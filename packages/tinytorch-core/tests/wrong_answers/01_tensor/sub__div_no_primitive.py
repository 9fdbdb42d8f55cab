"""A definition is all that an operation needs."""


def div(x: Array, y: Array) -> Array:
    return x / y
