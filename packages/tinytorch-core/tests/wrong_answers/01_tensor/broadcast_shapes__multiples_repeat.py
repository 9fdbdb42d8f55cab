"""A size that divides the other is repeated to fit."""


def broadcast_shapes(*shapes: Shape) -> Shape:
    result: list[int] = []
    for axis, sizes in enumerate(zip_longest(*[reversed(s) for s in shapes], fillvalue=1), start=1):
        others = {size for size in sizes if size != 1}
        largest = sorted(sizes)[-1]
        others = {s for s in others if s == 0 or largest % s or s == largest}
        if len(others) > 1:
            listed = " and ".join(str(shape) for shape in shapes)
            different = " and ".join(str(size) for size in sorted(others))
            raise ShapeError(
                f"shapes {listed} do not broadcast: axis -{axis} has sizes {different}"
            )
        result.insert(0, others.pop() if others else 1)
    return tuple(result)
