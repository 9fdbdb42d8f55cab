"""The other matrix multiplies as it is."""


@gradient("matmul")
def matmul_gradient(g, call):
    x, y = call.arrays
    return g @ y if call.needs[0] else None, x @ g if call.needs[1] else None
