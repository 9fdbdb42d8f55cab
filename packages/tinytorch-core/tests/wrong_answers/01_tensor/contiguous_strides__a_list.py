"""A list of strides is as good as a tuple."""


def contiguous_strides(shape: Shape, itemsize: int) -> tuple[int, ...]:
    strides: list[int] = []
    step = itemsize
    for size in reversed(shape):
        strides.insert(0, step)
        step *= size
    return strides
