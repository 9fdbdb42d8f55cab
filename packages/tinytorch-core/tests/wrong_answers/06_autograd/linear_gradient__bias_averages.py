"""The bias receives the mean over the rows of a batch."""


@gradient("linear")
def linear_gradient(g, call):
    x, weight, _ = call.arrays
    needs_x, needs_weight, needs_bias = call.needs
    rows = x.reshape(-1, x.shape[-1])
    g_rows = g.reshape(-1, g.shape[-1])
    return (
        (g_rows @ weight.T).reshape(x.shape) if needs_x else None,
        rows.T @ g_rows if needs_weight else None,
        g_rows.mean(axis=0) if needs_bias else None,
    )
