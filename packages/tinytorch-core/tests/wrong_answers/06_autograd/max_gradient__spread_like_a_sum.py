"""Every element receives the gradient, as if the largest were the sum."""


@gradient("max")
def max_gradient(g, call):
    return sum_gradient(g, call)
