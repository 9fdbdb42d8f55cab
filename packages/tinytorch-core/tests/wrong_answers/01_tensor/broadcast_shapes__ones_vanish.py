"""An axis on which all sizes are 1 becomes 0, the default of an empty choice."""


def broadcast_shapes(*shapes: Shape) -> Shape:
    result: list[int] = []
    from_the_right = [reversed(shape) for shape in shapes]
    for axis, sizes in enumerate(zip_longest(*from_the_right, fillvalue=1), start=1):
        others = sorted({size for size in sizes if size != 1})
        if len(others) > 1:
            listed = " and ".join(str(shape) for shape in shapes)
            different = " and ".join(str(size) for size in others)
            raise ShapeError(
                f"shapes {listed} do not broadcast: axis -{axis} has sizes {different}, "
                "and only equal sizes, or 1, go together. "
                "Reshape or transpose one operand, or give it an axis of size 1."
            )
        result.insert(0, others[0] if others else 0)
    return tuple(result)
