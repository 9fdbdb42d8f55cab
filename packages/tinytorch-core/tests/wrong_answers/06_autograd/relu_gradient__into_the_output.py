"""The slope of the sigmoid is worked out in the output itself."""


@gradient("sigmoid")
def sigmoid_gradient(g, call):
    out = call.out
    out *= 1 - out
    return g * out
