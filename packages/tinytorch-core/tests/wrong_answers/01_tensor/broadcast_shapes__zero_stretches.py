"""An axis of size 0 holds nothing, so it fits anything."""


def broadcast_shapes(*shapes: Shape) -> Shape:
    result: list[int] = []
    for axis, sizes in enumerate(zip_longest(*[reversed(s) for s in shapes], fillvalue=1), start=1):
        others = {size for size in sizes if size != 1}
        if 0 in others:
            others = {0}
        if len(others) > 1:
            listed = " and ".join(str(shape) for shape in shapes)
            different = " and ".join(str(size) for size in sorted(others))
            raise ShapeError(
                f"shapes {listed} do not broadcast: axis -{axis} has sizes {different}"
            )
        result.insert(0, others.pop() if others else 1)
    return tuple(result)
