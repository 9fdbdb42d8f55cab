"""No set of what was seen: a record is listed once for each way that leads to it."""


def topological_order(last):
    order = []
    stack = [(last, iter(last.operands))]
    while stack:
        record, operands = stack[-1]
        for operand in operands:
            node = operand.node if type(operand) is Tensor else None
            if node is not None:
                stack.append((node, iter(node.operands)))
                break
        else:
            order.append(record)
            stack.pop()
    return order
