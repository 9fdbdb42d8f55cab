"""The slope with respect to the divisor is taken as positive."""


@gradient("div")
def div_gradient(g, call):
    x, y = call.arrays
    needs_x, needs_y = call.needs
    return g / y if needs_x else None, g * x / y**2 if needs_y else None
