"""Only an array that the caller calls shared is copied; a view is kept."""


def accumulate(leaf, g, *, shared):
    if leaf.grad is not None:
        leaf.grad += g
    elif shared or not g.flags.c_contiguous:
        leaf.grad = g.copy()
    else:
        leaf.grad = g
