"""A shared array is kept: whoever adds to it changes somebody else's."""


def accumulate(leaf, g, *, shared):
    if leaf.grad is not None:
        leaf.grad += g
    elif g.base is not None or not g.flags.c_contiguous:
        leaf.grad = g.copy()
    else:
        leaf.grad = g
