"""Broadcasting stretches the smaller operand to the shape of the larger one."""


def broadcast_shapes(*shapes: Shape) -> Shape:
    def fits(small: Shape, large: Shape) -> bool:
        pairs = zip(reversed(small), reversed(large), strict=False)
        return len(small) <= len(large) and all(a in (1, b) for a, b in pairs)

    for large in shapes or [()]:
        if all(fits(small, large) for small in shapes):
            return tuple(large)
    for axis, sizes in enumerate(zip_longest(*[reversed(s) for s in shapes], fillvalue=1), start=1):
        others = sorted({size for size in sizes if size != 1})
        if len(others) > 1:
            raise ShapeError(f"{shapes}: axis -{axis} has sizes {others[0]} and {others[1]}")
    raise ShapeError(f"{shapes}: neither shape holds the other")
