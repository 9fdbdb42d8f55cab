"""A small number in the denominator makes division safe."""


@primitive
def div(x: Array, y: Array) -> Array:
    return x / (y + 1e-8)
