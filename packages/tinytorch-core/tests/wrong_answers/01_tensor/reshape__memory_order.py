"""The elements are taken as they lie in memory, which saves a copy."""


@primitive
def reshape(x: Array, *, shape: tuple[int, ...]) -> Array:
    try:
        return np.reshape(x, shape, order="A")
    except ValueError:
        raise ShapeError(
            f"reshape: {x.size} elements of shape {x.shape} do not fit shape {shape}"
        ) from None
