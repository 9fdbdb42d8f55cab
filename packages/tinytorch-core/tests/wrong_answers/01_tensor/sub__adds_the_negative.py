"""An operation is built from operations that exist."""


@primitive
def sub(x: Array, y: Array) -> Array:
    return add(x, neg(y))
