"""Whatever the shape is, the last stride is that of one element."""


def contiguous_strides(shape: Shape, itemsize: int) -> tuple[int, ...]:
    strides = [itemsize]
    for size in reversed(shape[1:]):
        strides.insert(0, strides[0] * size)
    return tuple(strides)
