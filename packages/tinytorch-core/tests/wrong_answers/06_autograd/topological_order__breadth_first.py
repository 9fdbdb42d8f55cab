"""Breadth first from the end: the distance from the end does not say what depends on what."""


def topological_order(last):
    order, seen = [last], {last}
    for record in order:
        for operand in record.operands:
            if type(operand) is Tensor and operand.node is not None and operand.node not in seen:
                seen.add(operand.node)
                order.append(operand.node)
    return order[::-1]
