"""The axis in the message is counted from the left."""


def broadcast_shapes(*shapes: Shape) -> Shape:
    result: list[int] = []
    for axis, sizes in enumerate(zip_longest(*[reversed(s) for s in shapes], fillvalue=1), start=1):
        others = {size for size in sizes if size != 1}
        if len(others) > 1:
            listed = " and ".join(str(shape) for shape in shapes)
            different = " and ".join(str(size) for size in sorted(others))
            place = len(shapes[0]) - axis
            raise ShapeError(
                f"shapes {listed} do not broadcast: axis {place} has sizes {different}"
            )
        result.insert(0, others.pop() if others else 1)
    return tuple(result)
