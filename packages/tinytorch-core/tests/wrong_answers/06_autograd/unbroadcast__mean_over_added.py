"""The added axis is averaged away, but each element was used that many times."""


def unbroadcast(g, shape):
    added = g.ndim - len(shape)
    if added < 0:
        raise ShapeError("shapes")
    g = g.mean(axis=tuple(range(added)))
    for axis, size in enumerate(shape):
        if size == 1:
            g = g.sum(axis=axis, keepdims=True)
        elif g.shape[axis] != size:
            raise ShapeError("shapes")
    return g
