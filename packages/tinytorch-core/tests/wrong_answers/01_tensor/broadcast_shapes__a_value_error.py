"""A ValueError is what NumPy raises, so it will do."""


def broadcast_shapes(*shapes: Shape) -> Shape:
    result: list[int] = []
    for axis, sizes in enumerate(zip_longest(*[reversed(s) for s in shapes], fillvalue=1), start=1):
        others = {size for size in sizes if size != 1}
        if len(others) > 1:
            listed = " and ".join(str(shape) for shape in shapes)
            different = " and ".join(str(size) for size in sorted(others))
            raise ValueError(
                f"shapes {listed} do not broadcast: axis -{axis} has sizes {different}"
            )
        result.insert(0, others.pop() if others else 1)
    return tuple(result)
