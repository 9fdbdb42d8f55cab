"""Outputs count as positive from 1 on."""


@gradient("relu")
def relu_gradient(g: Array, call: Record) -> Any:
    return g * (call.out > 1)
