"""Turning the signs where they are saves memory."""


@primitive
def neg(x: Array) -> Array:
    x *= -1
    return x
