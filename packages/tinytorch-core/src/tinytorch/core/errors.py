"""The two errors of the engine, and how shapes that do not fit are explained."""

from collections.abc import Sequence

from tinytorch.core.late import late

Shape = tuple[int, ...]


class ShapeError(ValueError):
    """Shapes that do not fit together. Says which, where they differ, and the likely fix."""


class GradientError(RuntimeError):
    """A gradient that was asked for and cannot be given, with the reason."""


def broadcast_error(name: str, shapes: Sequence[Shape]) -> ShapeError:
    """Explain why `shapes` do not broadcast, in the words of `broadcast_shapes` (module 01)."""
    try:
        late("tensor").broadcast_shapes(*shapes)
    except ShapeError as reason:
        return ShapeError(f"{name}: {reason}")
    listed = " and ".join(str(shape) for shape in shapes)
    return ShapeError(f"{name}: shapes {listed} do not fit together.")
