"""Case by case, and a vector on the left is forgotten."""


@gradient("matmul")
def matmul_gradient(g, call):
    x, y = call.arrays
    needs_x, needs_y = call.needs
    if x.ndim == 1 and y.ndim == 1:
        return g * y if needs_x else None, g * x if needs_y else None
    if y.ndim == 1:
        g = np.expand_dims(g, -1)
        dy = (g * x).reshape(-1, y.size).sum(axis=0) if needs_y else None
        return g * y if needs_x else None, dy
    return g @ y.mT if needs_x else None, x.mT @ g if needs_y else None
