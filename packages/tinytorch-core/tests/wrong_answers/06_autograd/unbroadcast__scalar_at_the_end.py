"""A sum over all axes is taken to be an array; NumPy makes a scalar of it."""


def unbroadcast(g, shape):
    added = g.ndim - len(shape)
    if added < 0 or any(n not in (1, m) for n, m in zip(shape, g.shape[added:], strict=True)):
        raise ShapeError("shapes")
    g = g.sum(axis=tuple(range(added)))
    for axis, size in enumerate(shape):
        if size == 1:
            g = g.sum(axis=axis, keepdims=True)
    return g
