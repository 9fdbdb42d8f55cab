"""**= saves memory."""


@primitive
def pow(x: Array, y: Array) -> Array:
    x **= y
    return x
