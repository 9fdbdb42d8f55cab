"""What arrives replaces what has arrived before."""


def arrive(arrived, tensor, g):
    if tensor.place is None:
        arrived[tensor.node] = g
    else:
        zeros = tuple(np.zeros_like(out) for out in tensor.node.out)
        arrived.setdefault(tensor.node, zeros)[tensor.place][...] += g
