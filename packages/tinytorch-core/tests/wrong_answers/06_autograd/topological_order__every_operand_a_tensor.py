"""Every operand is taken for a tensor: a number or an array has no node."""


def topological_order(last):
    order, seen = [], {last}
    stack = [(last, iter(last.operands))]
    while stack:
        record, operands = stack[-1]
        for operand in operands:
            node = operand.node
            if node is not None and node not in seen:
                seen.add(node)
                stack.append((node, iter(node.operands)))
                break
        else:
            order.append(record)
            stack.pop()
    return order
