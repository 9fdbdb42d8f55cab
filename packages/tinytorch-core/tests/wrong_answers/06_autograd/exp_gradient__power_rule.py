"""The power rule is applied to exp: x * exp(x - 1)."""


@gradient("exp")
def exp_gradient(g, call):
    (x,) = call.arrays
    return g * x * np.exp(x - 1)
