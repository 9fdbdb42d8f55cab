"""Each gradient is passed on as soon as it arrives, along every way anew."""


def backward(tensor, gradient=None, *, retain_graph=False):
    stack = [(tensor, first_gradient(tensor, gradient))]
    passed = []
    while stack:
        x, g = stack.pop()
        if g.shape != x.shape:
            g = unbroadcast(g, x.shape)
        if x.node is None:
            accumulate(x, g, shared=True)
        else:
            stack.extend(x.node.gradients(g))
            passed.append(x.node)
    for record in passed:
        if not retain_graph:
            record.release()
