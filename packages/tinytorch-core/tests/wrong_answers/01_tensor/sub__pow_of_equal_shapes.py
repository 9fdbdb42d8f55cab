"""Each element has an exponent of its own, so there are as many."""


@primitive
def pow(x: Array, y: Array) -> Array:
    if np.ndim(x) and np.ndim(y):
        x = np.reshape(x, np.shape(y))
    return x**y
