"""A gradient replaces the one before."""


def accumulate(leaf, g, *, shared):
    leaf.grad = g.copy()
