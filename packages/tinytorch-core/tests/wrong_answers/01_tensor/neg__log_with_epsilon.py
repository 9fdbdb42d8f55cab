"""A small number inside makes the logarithm safe."""


@primitive
def log(x: Array) -> Array:
    return np.log(x + 1e-8)
