"""The factors are multiplied in the wrong order: matrices do not commute."""


@gradient("matmul")
def matmul_gradient(g, call):
    x, y = call.arrays
    return y.mT @ g if call.needs[0] else None, g @ x.mT if call.needs[1] else None
