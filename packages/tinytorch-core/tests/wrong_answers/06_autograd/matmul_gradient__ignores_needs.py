"""Both products are computed, wanted or not."""


@gradient("matmul")
def matmul_gradient(g, call):
    x, y = call.arrays
    if x.ndim == 1 and y.ndim == 1:
        return g * y, g * x
    if x.ndim == 1:
        g = np.expand_dims(g, -2)
        return (g * y).sum(axis=-1), g * x[:, np.newaxis]
    if y.ndim == 1:
        g = np.expand_dims(g, -1)
        return g * y, (g * x).reshape(-1, y.size).sum(axis=0)
    return g @ y.mT, x.mT @ g
