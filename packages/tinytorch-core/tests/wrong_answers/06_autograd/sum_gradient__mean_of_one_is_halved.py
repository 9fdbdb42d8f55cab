"""Every mean is taken over two elements at least."""


@gradient("mean")
def mean_gradient(g: Array, call: Record) -> Any:
    (x,) = call.arrays
    share = x.size // max(call.out.size, 1)  # how many elements each mean was taken over
    return sum_gradient(g / max(share, 2), call)
