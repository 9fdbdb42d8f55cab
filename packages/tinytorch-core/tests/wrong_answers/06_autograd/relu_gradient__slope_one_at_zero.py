"""The slope at 0 is taken to be 1."""


@gradient("relu")
def relu_gradient(g, call):
    return g * (call.arrays[0] >= 0)
