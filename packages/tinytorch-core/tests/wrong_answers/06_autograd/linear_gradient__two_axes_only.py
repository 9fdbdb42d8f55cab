"""x is taken to be a matrix: further axes in front are not counted as rows."""


@gradient("linear")
def linear_gradient(g, call):
    x, weight, _ = call.arrays
    needs_x, needs_weight, needs_bias = call.needs
    return (
        g @ weight.T if needs_x else None,
        x.T @ g if needs_weight else None,
        g.sum(axis=0) if needs_bias else None,
    )
