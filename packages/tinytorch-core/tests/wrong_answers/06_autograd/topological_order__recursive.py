"""The textbook recursion: right, until the graph is deeper than Python allows."""


def topological_order(last):
    order, seen = [], set()

    def visit(record):
        seen.add(record)
        for operand in record.operands:
            node = operand.node if type(operand) is Tensor else None
            if node is not None and node not in seen:
                visit(node)
        order.append(record)

    visit(last)
    return order
