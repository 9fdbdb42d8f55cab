"""A definition is all that an operation needs."""


def reshape(x: Array, *, shape: tuple[int, ...]) -> Array:
    try:
        return np.reshape(x, shape)
    except ValueError:
        raise ShapeError(
            f"reshape: {x.size} elements of shape {x.shape} do not fit shape {shape}"
        ) from None
