"""A negation passes its gradient on as it is."""


@gradient("neg")
def neg_gradient(g, call):
    return g
