"""Shapes are compared from the first axis on, as one reads."""


def broadcast_shapes(*shapes: Shape) -> Shape:
    ndim = sorted([0, *map(len, shapes)])[-1]
    result: list[int] = []
    for axis, sizes in enumerate(zip_longest(*shapes, fillvalue=1)):
        others = {size for size in sizes if size != 1}
        if len(others) > 1:
            listed = " and ".join(str(shape) for shape in shapes)
            different = " and ".join(str(size) for size in sorted(others))
            raise ShapeError(f"shapes {listed}: axis {axis - ndim} has sizes {different}")
        result.append(others.pop() if others else 1)
    return tuple(result)
