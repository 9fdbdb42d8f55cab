"""Too few axes are left to zip, whose error says nothing of shapes."""


def unbroadcast(g: Array, shape: tuple[int, ...]) -> Array:
    added = g.ndim - len(shape)
    if any(n not in (1, m) for n, m in zip(shape, g.shape[added:], strict=True)):
        raise ShapeError(
            f"a gradient rule gave shape {g.shape} for an operand of shape {shape}; "
            "it must give the operand's shape, or one that the operand broadcasts to"
        )
    stretched = [added + axis for axis, size in enumerate(shape) if size == 1]
    return g.sum(axis=(*range(added), *stretched), keepdims=True).reshape(shape)
