"""That the shapes do not fit is all there is to say."""


def broadcast_shapes(*shapes: Shape) -> Shape:
    result: list[int] = []
    for sizes in zip_longest(*[reversed(shape) for shape in shapes], fillvalue=1):
        others = {size for size in sizes if size != 1}
        if len(others) > 1:
            raise ShapeError("shapes do not broadcast")
        result.insert(0, others.pop() if others else 1)
    return tuple(result)
