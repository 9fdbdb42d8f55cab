"""Case by case, and a vector on the right is forgotten."""


@gradient("matmul")
def matmul_gradient(g, call):
    x, y = call.arrays
    needs_x, needs_y = call.needs
    if x.ndim == 1 and y.ndim == 1:
        return g * y if needs_x else None, g * x if needs_y else None
    if x.ndim == 1:
        g = np.expand_dims(g, -2)
        dx = (g * y).sum(axis=-1) if needs_x else None
        return dx, g * x[:, np.newaxis] if needs_y else None
    return g @ y.mT if needs_x else None, x.mT @ g if needs_y else None
