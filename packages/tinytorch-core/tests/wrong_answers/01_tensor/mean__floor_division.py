"""// divides a sum of integers by their number."""


@primitive
def mean(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    total = np.sum(x, axis=axis, keepdims=keepdims)
    return total // (x.size // np.size(total))
