"""Several axes are summed one after the other, by the numbers given."""


@primitive
def sum(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    if isinstance(axis, tuple):
        for a in axis:
            x = np.sum(x, axis=a, keepdims=keepdims)
        return x
    return np.sum(x, axis=axis, keepdims=keepdims)
