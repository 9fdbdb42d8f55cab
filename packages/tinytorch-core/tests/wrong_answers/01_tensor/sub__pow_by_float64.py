"""A power of floats is rounded back to the integer that it is."""


@primitive
def pow(x: Array, y: Array) -> Array:
    kind = np.result_type(x, y)
    return np.power(x, y, dtype=np.float64).astype(kind)
