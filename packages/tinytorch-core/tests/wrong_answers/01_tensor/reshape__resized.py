"""What is missing is repeated, and what is too much is dropped."""


@primitive
def reshape(x: Array, *, shape: tuple[int, ...]) -> Array:
    if -1 not in shape and np.prod(shape) != x.size:
        return np.resize(x, shape)
    try:
        return np.reshape(x, shape)
    except ValueError:
        raise ShapeError(
            f"reshape: {x.size} elements of shape {x.shape} do not fit shape {shape}"
        ) from None
