"""The power of two is twice the number."""


@primitive
def pow(x: Array, y: Array) -> Array:
    return x * y
