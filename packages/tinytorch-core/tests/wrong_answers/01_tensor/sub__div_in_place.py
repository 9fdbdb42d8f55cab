"""What NumPy divides may go where it came from, if it is floating point."""


@primitive
def div(x: Array, y: Array) -> Array:
    floating = isinstance(x, np.ndarray) and x.dtype.kind == "f" and x.shape == np.shape(y)
    return np.divide(x, y, out=x if floating else None)
