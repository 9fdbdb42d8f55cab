"""log is the logarithm to base 10."""


@primitive
def log(x: Array) -> Array:
    return np.log10(x)
