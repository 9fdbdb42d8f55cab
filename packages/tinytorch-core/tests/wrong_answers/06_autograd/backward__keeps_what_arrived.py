"""What arrived is looked up and not taken out, so all gradients live until the end."""


def backward(tensor, gradient=None, *, retain_graph=False):
    g = first_gradient(tensor, gradient)
    if tensor.node is None:
        accumulate(tensor, g, shared=True)
        return
    arrived = {}
    arrive(arrived, tensor, g)
    for record in reversed(topological_order(tensor.node)):
        upstream = arrived.get(record)
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
