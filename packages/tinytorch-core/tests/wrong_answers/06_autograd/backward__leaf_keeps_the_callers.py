"""A leaf keeps the array that backward was called with."""


def backward(tensor: Tensor, gradient: Any = None, *, retain_graph: bool = False) -> None:
    g = first_gradient(tensor, gradient)
    if tensor.node is None:
        accumulate(tensor, g, shared=False)
        return
    arrived: dict[Record, Any] = {}  # what has come in so far for the output(s) of each record
    arrive(arrived, tensor, g)
    for record in reversed(topological_order(tensor.node)):
        upstream = arrived.pop(record, None)
        if upstream is None:  # a rule said None: nothing flows this way
            continue
        taken = {id(upstream)}  # arrays that somebody holds: add gives both operands the same
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
