"""A new tensor needs memory of its own."""


@primitive
def reshape(x: Array, *, shape: tuple[int, ...]) -> Array:
    try:
        return np.reshape(x, shape).copy()
    except ValueError:
        raise ShapeError(
            f"reshape: {x.size} elements of shape {x.shape} do not fit shape {shape}"
        ) from None
