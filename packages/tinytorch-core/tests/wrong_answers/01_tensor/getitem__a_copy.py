"""A new tensor needs memory of its own."""


@primitive
def getitem(x: Array, *, index: Any) -> Array:
    return np.array(x[index])
