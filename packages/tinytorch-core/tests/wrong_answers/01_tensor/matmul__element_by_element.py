"""* multiplies matrices."""


@primitive
def matmul(x: Array, y: Array) -> Array:
    if not (np.ndim(x) and np.ndim(y)):
        raise ShapeError(f"matmul: {np.shape(x)} @ {np.shape(y)}: a number needs * instead")
    inner = y.shape[-2] if y.ndim > 1 else y.shape[0]
    if x.shape[-1] != inner:
        raise ShapeError(
            f"matmul: {x.shape} @ {y.shape}: inner sizes {x.shape[-1]} and {inner} differ"
        )
    if x.ndim > 2 and y.ndim > 2:
        broadcast_shapes(x.shape[:-2], y.shape[:-2])
    return x * y
