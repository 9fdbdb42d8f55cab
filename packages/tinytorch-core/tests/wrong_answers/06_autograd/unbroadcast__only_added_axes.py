"""Only the axes that were added are summed; those of size 1 are forgotten."""


def unbroadcast(g, shape):
    while g.ndim > len(shape):
        g = g.sum(axis=0)
    if g.ndim != len(shape) or any(a != b and b != 1 for a, b in zip(g.shape, shape, strict=True)):
        raise ShapeError("shapes")
    return g
