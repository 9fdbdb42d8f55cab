"""Vectors are right; matrices are turned with .T, which turns all axes of a stack around."""


@gradient("matmul")
def matmul_gradient(g, call):
    x, y = call.arrays
    needs_x, needs_y = call.needs
    if y.ndim == 1:
        g = np.expand_dims(g, -1)
        dy = (g * x).reshape(-1, y.size).sum(axis=0) if needs_y else None
        return g * y if needs_x else None, dy
    if x.ndim == 1:
        g = np.expand_dims(g, -2)
        dx = (g * y).sum(axis=-1) if needs_x else None
        return dx, g * x[:, np.newaxis] if needs_y else None
    return g @ y.T if needs_x else None, x.T @ g if needs_y else None
