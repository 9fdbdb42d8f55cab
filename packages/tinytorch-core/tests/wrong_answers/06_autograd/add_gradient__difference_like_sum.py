"""A difference is treated like a sum: the sign is forgotten."""


@gradient("sub")
def sub_gradient(g, call):
    return g, g
