"""x[i, j] is x[i][j]."""


@primitive
def getitem(x: Array, *, index: Any) -> Array:
    if isinstance(index, tuple):
        for part in index:
            x = x[part]
        return x
    return x[index]
