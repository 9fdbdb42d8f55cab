"""Axes are counted in the operand's shape, but summed in the gradient, which has more."""


def unbroadcast(g, shape):
    added = g.ndim - len(shape)
    if added < 0:
        raise ShapeError("shapes")
    stretched = tuple(axis for axis, size in enumerate(shape) if size == 1)
    reduced = g.sum(axis=(*range(added), *stretched), keepdims=True)
    if reduced.shape[added:] != shape:
        raise ShapeError("shapes")
    return reduced.reshape(shape)
