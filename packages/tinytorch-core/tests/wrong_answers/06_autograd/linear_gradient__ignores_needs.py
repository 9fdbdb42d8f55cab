"""All three gradients are computed, wanted or not."""


@gradient("linear")
def linear_gradient(g, call):
    x, weight, _ = call.arrays
    rows = x.reshape(-1, x.shape[-1])
    g_rows = g.reshape(-1, g.shape[-1])
    return (g_rows @ weight.T).reshape(x.shape), rows.T @ g_rows, g_rows.sum(axis=0)
