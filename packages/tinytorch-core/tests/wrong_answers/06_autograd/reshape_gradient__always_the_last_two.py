"""The last two axes are swapped back, whichever were swapped."""


@gradient("transpose")
def transpose_gradient(g, call):
    return g.mT
