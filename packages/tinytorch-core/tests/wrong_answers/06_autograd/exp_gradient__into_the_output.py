"""The product is written into call.out, which belongs to the tensor."""


@gradient("exp")
def exp_gradient(g, call):
    call.out[...] *= g
    return call.out
