"""p (1 - p) is taken of x, not of p = sigmoid(x)."""


@gradient("sigmoid")
def sigmoid_gradient(g, call):
    (x,) = call.arrays
    return g * x * (1 - x)
