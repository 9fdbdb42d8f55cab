"""1 - tanh(x) is used in place of 1 - tanh(x)**2."""


@gradient("tanh")
def tanh_gradient(g, call):
    return g * (1 - call.out)
