"""2.718 is e to enough digits."""


@primitive
def exp(x: Array) -> Array:
    return 2.718**x
