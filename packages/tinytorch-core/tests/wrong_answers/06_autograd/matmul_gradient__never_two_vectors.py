"""Case by case, and the product of two vectors, a number, is forgotten."""


@gradient("matmul")
def matmul_gradient(g, call):
    x, y = call.arrays
    needs_x, needs_y = call.needs
    if x.ndim == 1:
        g = np.expand_dims(g, -2)
        dx = (g * y).sum(axis=-1) if needs_x else None
        return dx, g * x[:, np.newaxis] if needs_y else None
    if y.ndim == 1:
        g = np.expand_dims(g, -1)
        dy = (g * x).reshape(-1, y.size).sum(axis=0) if needs_y else None
        return g * y if needs_x else None, dy
    return g @ y.mT if needs_x else None, x.mT @ g if needs_y else None
