"""broadcast_error, imported at the top, makes the error; it calls broadcast_shapes."""


def broadcast_shapes(*shapes: Shape) -> Shape:
    result: list[int] = []
    for sizes in zip_longest(*[reversed(shape) for shape in shapes], fillvalue=1):
        others = sorted({size for size in sizes if size != 1})
        if len(others) > 1:
            raise broadcast_error("broadcast_shapes", shapes)
        result.insert(0, others[0] if others else 1)
    return tuple(result)
