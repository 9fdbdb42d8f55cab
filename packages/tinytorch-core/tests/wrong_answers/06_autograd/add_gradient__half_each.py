"""The operands share the gradient, half each."""


@gradient("add")
def add_gradient(g, call):
    return g / 2, g / 2
