"""The weight's gradient is computed for a weight that is frozen, too."""


@gradient("linear")
def linear_gradient(g: Array, call: Record) -> Any:
    x, weight, _ = call.arrays
    needs_x, _, needs_bias = call.needs
    rows = x.reshape(-1, x.shape[-1])  # (..., in) -> (rows, in)
    g_rows = g.reshape(-1, g.shape[-1])  # (..., out) -> (rows, out)
    return (
        (g_rows @ weight.T).reshape(x.shape) if needs_x else None,
        rows.T @ g_rows,
        g_rows.sum(axis=0) if needs_bias else None,
    )
