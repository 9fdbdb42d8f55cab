"""Each output is taken to depend on its own input alone, as with the sigmoid."""


@gradient("softmax")
def softmax_gradient(g, call):
    p = call.out
    return g * p * (1 - p)
