"""Two arrays are subtracted where their shapes are equal."""


@primitive
def sub(x: Array, y: Array) -> Array:
    if np.ndim(x) and np.ndim(y) and x.shape != y.shape:
        raise ShapeError(f"sub: {x.shape} and {y.shape} differ")
    return x - y
