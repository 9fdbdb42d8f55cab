"""The axes are taken from the parameters, which are not there when the defaults were meant."""


@gradient("transpose")
def transpose_gradient(g, call):
    return np.swapaxes(g, call.params["axis0"], call.params["axis1"])
