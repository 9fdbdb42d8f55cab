"""The local slope alone is returned: what comes from above is forgotten."""


@gradient("mul")
def mul_gradient(g, call):
    x, y = call.arrays
    needs_x, needs_y = call.needs
    return y if needs_x else None, x if needs_y else None
