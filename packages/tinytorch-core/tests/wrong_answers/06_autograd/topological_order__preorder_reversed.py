"""Records in the order of discovery, turned around: a record may come before what it needs."""


def topological_order(last):
    order, seen, stack = [], set(), [last]
    while stack:
        record = stack.pop()
        if record in seen:
            continue
        seen.add(record)
        order.append(record)
        for operand in record.operands:
            if type(operand) is Tensor and operand.node is not None:
                stack.append(operand.node)
    return order[::-1]
