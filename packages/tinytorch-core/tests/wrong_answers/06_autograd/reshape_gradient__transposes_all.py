"""T turns all axes around; two were swapped."""


@gradient("transpose")
def transpose_gradient(g, call):
    return g.T
