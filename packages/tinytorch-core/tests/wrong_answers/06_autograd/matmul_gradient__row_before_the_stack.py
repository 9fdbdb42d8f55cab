"""The dropped axis of a row is put back in front of everything, where a stack has its own."""


@gradient("matmul")
def matmul_gradient(g: Array, call: Record) -> Any:
    x, y = call.arrays
    needs_x, needs_y = call.needs
    row, column = x.ndim == 1, y.ndim == 1  # a vector counts as one row, or as one column
    if row:
        x, g = x[np.newaxis, :], g[np.newaxis]
    if column:
        y, g = y[:, np.newaxis], np.expand_dims(g, -1)
    dx = g @ y.mT if needs_x else None  # (..., n, m) @ (..., m, k) -> (..., n, k)
    dy = x.mT @ g if needs_y else None  # (..., k, n) @ (..., n, m) -> (..., k, m)
    if row and dx is not None:
        dx = dx.squeeze(-2)
    if column and dy is not None:
        dy = dy.squeeze(-1)
    return dx, dy
