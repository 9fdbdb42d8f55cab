"""That it does not fit is all there is to say."""


@primitive
def reshape(x: Array, *, shape: tuple[int, ...]) -> Array:
    try:
        return np.reshape(x, shape)
    except ValueError:
        raise ShapeError("reshape: the number of elements does not fit") from None
