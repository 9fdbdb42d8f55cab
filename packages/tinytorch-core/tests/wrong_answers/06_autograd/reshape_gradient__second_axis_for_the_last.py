"""Axis 1 is taken for the last one, as in a matrix."""


@gradient("transpose")
def transpose_gradient(g: Array, call: Record) -> Any:
    return np.swapaxes(g, call.params.get("axis0", -2), call.params.get("axis1", 1))
