"""An index begins at 0."""


@primitive
def getitem(x: Array, *, index: Any) -> Array:
    if isinstance(index, int) and index < 0:
        raise IndexError(f"index {index} is below 0")
    return x[index]
