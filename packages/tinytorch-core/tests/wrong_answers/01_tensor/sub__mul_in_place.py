"""*= saves memory."""


@primitive
def mul(x: Array, y: Array) -> Array:
    x *= y
    return x
