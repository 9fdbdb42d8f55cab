"""The pass always begins with ones: the gradient it was given is forgotten."""


def backward(tensor, gradient=None, *, retain_graph=False):
    g = np.ones_like(tensor.data)
    if tensor.node is None:
        accumulate(tensor, g, shared=True)
        return
    arrived = {}
    arrive(arrived, tensor, g)
    for record in reversed(topological_order(tensor.node)):
        upstream = arrived.pop(record, None)
        if upstream is None:
            continue
        taken = {id(upstream)}
        for operand, dx in record.gradients(upstream):
            if dx.shape != operand.shape:
                dx = unbroadcast(dx, operand.shape)
            if operand.node is None:
                accumulate(operand, dx, shared=id(dx) in taken)
            else:
                arrive(arrived, operand, dx)
            taken.add(id(dx))
        if not retain_graph:
            record.release()
