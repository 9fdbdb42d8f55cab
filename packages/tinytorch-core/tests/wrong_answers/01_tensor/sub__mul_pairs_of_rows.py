"""zip pairs up the elements of two arrays; only a number goes with all."""


@primitive
def mul(x: Array, y: Array) -> Array:
    if np.ndim(x) and np.ndim(y):
        return np.array([a * b for a, b in zip(x, y, strict=False)])
    return x * y
