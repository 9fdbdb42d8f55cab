"""A mean passes its gradient on like a sum: 1 / n is forgotten."""


@gradient("mean")
def mean_gradient(g, call):
    return sum_gradient(g, call)
