"""Arrays can only be added if their shapes are equal."""


@primitive
def add(x: Array, y: Array) -> Array:
    if np.ndim(x) and np.ndim(y) and np.shape(x) != np.shape(y):
        raise ShapeError(f"add: {np.shape(x)} and {np.shape(y)} differ")
    return x + y
