"""* of two matrices is their matrix product, and pairs elements of all else."""


@primitive
def mul(x: Array, y: Array) -> Array:
    return np.matmul(x, y) if np.ndim(x) == np.ndim(y) == 2 else x * y
