"""The two errors of the engine, and the sentence that explains shapes that do not fit."""

from collections.abc import Sequence

Shape = tuple[int, ...]


class ShapeError(ValueError):
    """Shapes that do not fit together. Says which, where they differ, and the likely fix."""


class GradientError(RuntimeError):
    """A gradient that was asked for and cannot be given, with the reason."""


def broadcast_error(name: str, shapes: Sequence[Shape]) -> ShapeError:
    """Explain why `shapes` do not broadcast: the first axis, from the right, that differs."""
    listed = " and ".join(str(shape) for shape in shapes)
    for axis in range(1, 1 + max((len(shape) for shape in shapes), default=0)):
        sizes = [shape[-axis] for shape in shapes if len(shape) >= axis]
        stretched = sorted({size for size in sizes if size != 1})
        if len(stretched) > 1:
            different = " and ".join(str(size) for size in stretched)
            return ShapeError(
                f"{name}: shapes {listed} do not broadcast: axis -{axis} has sizes {different}, "
                "and only equal sizes, or 1, go together. "
                "Reshape or transpose one operand, or give it an axis of size 1."
            )
    return ShapeError(f"{name}: shapes {listed} do not fit together.")
