"""What arrives is added in place, into an array that another record may hold too."""


def arrive(arrived, tensor, g):
    if tensor.place is not None:
        zeros = tuple(np.zeros_like(out) for out in tensor.node.out)
        arrived.setdefault(tensor.node, zeros)[tensor.place][...] += g
    elif tensor.node in arrived:
        arrived[tensor.node] += g
    else:
        arrived[tensor.node] = g
