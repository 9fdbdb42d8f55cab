"""Integers must be made floating point first, and every operand can be."""


@primitive
def div(x: Array, y: Array) -> Array:
    return x.astype(np.float64) / y
