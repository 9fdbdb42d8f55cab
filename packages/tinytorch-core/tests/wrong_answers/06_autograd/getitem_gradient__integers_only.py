"""The index is taken for a list of integers; slices and tuples are indices too."""


@gradient("getitem")
def getitem_gradient(g, call):
    dx = np.zeros_like(call.arrays[0])
    for i, gi in zip(call.params["index"], g, strict=True):
        dx[i] += gi
    return dx
