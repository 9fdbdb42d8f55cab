"""g is spread as broadcasting likes it; the summed axis has to come back first."""


@gradient("sum")
def sum_gradient(g, call):
    return g * np.ones_like(call.arrays[0])
