"""zip pairs up the elements of two arrays."""


@primitive
def add(x: Array, y: Array) -> Array:
    return np.array([a + b for a, b in zip(x, y, strict=False)])
