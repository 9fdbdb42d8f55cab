"""The slope of 1 / y is used for x / y: the dividend is forgotten."""


@gradient("div")
def div_gradient(g, call):
    _, y = call.arrays
    needs_x, needs_y = call.needs
    return g / y if needs_x else None, -g / y**2 if needs_y else None
