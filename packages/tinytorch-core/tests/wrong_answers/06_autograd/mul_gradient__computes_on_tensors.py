"""The factors are taken from call.operands, so the gradients are tensors."""


@gradient("mul")
def mul_gradient(g, call):
    x, y = call.operands
    needs_x, needs_y = call.needs
    return g * y if needs_x else None, g * x if needs_y else None
