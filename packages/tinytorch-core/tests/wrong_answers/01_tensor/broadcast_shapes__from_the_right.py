"""The axes are collected from the right, and that is their order."""


def broadcast_shapes(*shapes: Shape) -> Shape:
    result: list[int] = []
    for axis, sizes in enumerate(zip_longest(*map(reversed, shapes), fillvalue=1), start=1):
        others = sorted({size for size in sizes if size != 1})
        if len(others) > 1:
            raise ShapeError(f"shapes {shapes}: axis -{axis} has sizes {others}")
        result.append(others[0] if others else 1)
    return tuple(result)
