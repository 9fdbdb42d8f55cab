"""The mean is a sum, and sum stands right above."""


@primitive
def mean(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
    total = sum(x, axis=axis, keepdims=keepdims)
    return total / (x.size // total.size)
