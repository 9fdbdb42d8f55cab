"""The gradients are returned as a list, which NumPy would make one array of."""


@gradient("add")
def add_gradient(g, call):
    return [g, g]
