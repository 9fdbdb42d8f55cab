"""A shape must say every size."""


@primitive
def reshape(x: Array, *, shape: tuple[int, ...]) -> Array:
    if np.prod(shape) != x.size:
        raise ShapeError(f"reshape: {x.size} elements of shape {x.shape} do not fit shape {shape}")
    return np.reshape(x, shape)
