"""Gradients are assigned, so of an element taken twice only the last counts."""


@gradient("getitem")
def getitem_gradient(g, call):
    dx = np.zeros_like(call.arrays[0])
    dx[call.params["index"]] = g
    return dx
