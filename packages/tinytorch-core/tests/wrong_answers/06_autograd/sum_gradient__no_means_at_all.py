"""Where there is no mean, it divides by their number."""


@gradient("mean")
def mean_gradient(g: Array, call: Record) -> Any:
    (x,) = call.arrays
    share = x.size // call.out.size  # how many elements each mean was taken over
    return sum_gradient(g / max(share, 1), call)
