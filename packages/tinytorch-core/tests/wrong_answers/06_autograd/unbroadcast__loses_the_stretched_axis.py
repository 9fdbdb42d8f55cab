"""A stretched axis is summed away altogether; the operand has it, with size 1."""


def unbroadcast(g, shape):
    added = g.ndim - len(shape)
    stretched = tuple(
        axis for axis, size in enumerate(shape, start=added) if added >= 0 and size == 1
    )
    if added < 0 or any(a != b and b != 1 for a, b in zip(g.shape[added:], shape, strict=True)):
        raise ShapeError("shapes")
    return g.sum(axis=(*range(added), *stretched))
