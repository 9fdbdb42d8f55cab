"""max is taken for Python's, and the sizes come out as tensors."""


def broadcast_shapes(*shapes):
    result = []
    from_the_right = [reversed(shape) for shape in shapes]
    for axis, sizes in enumerate(zip_longest(*from_the_right, fillvalue=1), start=1):
        others = sorted({size for size in sizes if size != 1})
        if len(others) > 1:
            listed = " and ".join(str(shape) for shape in shapes)
            raise ShapeError(
                f"shapes {listed} do not broadcast: axis -{axis} has sizes {others[0]}, {others[1]}"
            )
        result.insert(0, max(others) if others else 1)
    return tuple(result)
