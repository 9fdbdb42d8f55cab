"""All outputs are given one and the same array of zeros."""


def arrive(arrived, tensor, g):
    if tensor.place is None:
        before = arrived.get(tensor.node)
        arrived[tensor.node] = g if before is None else before + g
    else:
        zeros = (np.zeros_like(tensor.node.out[0]),) * len(tensor.node.out)
        arrived.setdefault(tensor.node, zeros)[tensor.place][...] += g
