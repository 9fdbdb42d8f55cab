"""An axis steps by its own size."""


def contiguous_strides(shape: Shape, itemsize: int) -> tuple[int, ...]:
    return tuple(size * itemsize for size in shape)
