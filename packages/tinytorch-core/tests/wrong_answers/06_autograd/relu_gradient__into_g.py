"""g is multiplied in place, though add handed the same array to others."""


@gradient("relu")
def relu_gradient(g, call):
    g *= call.out > 0
    return g
