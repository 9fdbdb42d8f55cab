"""To be exact, compute in float64; every operand is an array."""


@primitive
def exp(x: Array) -> Array:
    return np.exp(x.astype(np.float64))
