"""A stride counts elements."""


def contiguous_strides(shape: Shape, itemsize: int) -> tuple[int, ...]:
    strides: list[int] = []
    step = 1
    for size in reversed(shape):
        strides.insert(0, step)
        step *= size
    return tuple(strides)
