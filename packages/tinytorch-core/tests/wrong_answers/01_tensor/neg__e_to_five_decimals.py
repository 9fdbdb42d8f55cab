"""2.71828 is e to enough digits for float32."""


@primitive
def exp(x: Array) -> Array:
    return 2.71828**x
