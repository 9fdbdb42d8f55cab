"""NumPy explains well enough that the inner sizes differ."""


@primitive
def matmul(x: Array, y: Array) -> Array:
    if not (np.ndim(x) and np.ndim(y)):
        raise ShapeError(f"matmul: {np.shape(x)} @ {np.shape(y)}: a number needs * instead")
    if x.ndim > 2 and y.ndim > 2:
        broadcast_shapes(x.shape[:-2], y.shape[:-2])
    return np.matmul(x, y)
