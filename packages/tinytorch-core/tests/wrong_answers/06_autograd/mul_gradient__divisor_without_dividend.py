"""The slope of 1 / y is used for x / y: the dividend is forgotten."""


@gradient("div")
def div_gradient(g, call):
    _, y = call.arrays
    return g / y, -g / y**2
