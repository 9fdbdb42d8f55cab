"""The sum is over the last axis, whichever the softmax was over."""


@gradient("softmax")
def softmax_gradient(g, call):
    p = call.out
    return p * (g - (g * p).sum(axis=-1, keepdims=True))
