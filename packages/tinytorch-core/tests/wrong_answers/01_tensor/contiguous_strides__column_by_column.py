"""The first axis steps by one element."""


def contiguous_strides(shape: Shape, itemsize: int) -> tuple[int, ...]:
    strides = []
    step = itemsize
    for size in shape:
        strides.append(step)
        step *= size
    return tuple(strides)
