"""Both gradients are g, so g is returned once."""


@gradient("add")
def add_gradient(g, call):
    return g
