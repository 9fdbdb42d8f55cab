"""A shape is an attribute, so it can be set."""


@primitive
def reshape(x: Array, *, shape: tuple[int, ...]) -> Array:
    try:
        x.shape = shape
    except AttributeError:
        return np.reshape(x, shape)
    except ValueError:
        raise ShapeError(
            f"reshape: {x.size} elements of shape {x.shape} do not fit shape {shape}"
        ) from None
    return x
