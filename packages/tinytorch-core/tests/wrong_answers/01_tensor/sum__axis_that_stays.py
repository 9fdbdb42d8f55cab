"""axis=0 gives one sum for each row: it names the axis that stays."""


@primitive
def sum(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    if isinstance(axis, int):
        axis = x.ndim - 1 - axis % x.ndim
    return np.sum(x, axis=axis, keepdims=keepdims)
