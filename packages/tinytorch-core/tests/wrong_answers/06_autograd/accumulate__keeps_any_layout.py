"""np.copy keeps the layout of what it copies, so the gradient may lie column by column."""


def accumulate(leaf, g, *, shared):
    if leaf.grad is not None:
        leaf.grad += g
    else:
        leaf.grad = np.copy(g, order="K")
