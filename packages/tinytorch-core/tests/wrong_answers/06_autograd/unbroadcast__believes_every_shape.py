"""Whatever comes is summed and reshaped: a rule that is wrong is not found here."""


def unbroadcast(g, shape):
    added = max(g.ndim - len(shape), 0)
    stretched = [added + axis for axis, size in enumerate(shape) if size == 1]
    return g.sum(axis=(*range(added), *stretched), keepdims=True).reshape(shape)
