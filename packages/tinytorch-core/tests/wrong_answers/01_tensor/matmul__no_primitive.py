"""A definition is all that an operation needs."""


def matmul(x: Array, y: Array) -> Array:
    if not (np.ndim(x) and np.ndim(y)):
        raise ShapeError(f"matmul: {np.shape(x)} @ {np.shape(y)}: a number needs * instead")
    inner = y.shape[-2] if y.ndim > 1 else y.shape[0]
    if x.shape[-1] != inner:
        raise ShapeError(
            f"matmul: {x.shape} @ {y.shape}: inner sizes {x.shape[-1]} and {inner} differ; "
            "transpose one?"
        )
    try:
        return np.matmul(x, y)
    except ValueError:
        name = f"matmul: {x.shape} @ {y.shape}: before the last two axes"
        raise broadcast_error(name, [x.shape[:-2], y.shape[:-2]]) from None
