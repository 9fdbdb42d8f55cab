"""Whatever comes is summed and reshaped; a shape that cannot be is passed on."""


def unbroadcast(g, shape):
    added = g.ndim - len(shape)
    if added < 0:
        return np.broadcast_to(g, shape)
    g = g.sum(axis=tuple(range(added)))
    stretched = tuple(axis for axis, size in enumerate(shape) if size == 1)
    return g.sum(axis=stretched, keepdims=True)
