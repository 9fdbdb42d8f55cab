"""The two errors of the engine, and our words for what NumPy and Python say of a call."""

from collections.abc import Sequence

from tinytorch.core.elsewhere import argument_error
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


def rows_error(data: object, error: ValueError) -> ValueError:
    """Say that the rows of `data` have different lengths, where that is what `error` means."""
    if "inhomogeneous" not in str(error):  # NumPy's word for it
        return error
    return ShapeError(
        f"Tensor: the rows of {data!r:.60} have different lengths, and a tensor's are all alike. "
        "Fill the short ones up, or keep a list of tensors"
    )


def explanation(name: str, error: Exception, shapes: Sequence[Shape]) -> Exception | None:
    """Say in our words what `error`, from a call of `name`, means; None where it says so itself."""
    if isinstance(error, AttributeError):
        if "'NoneType' object" not in str(error):
            return None
        return TypeError(
            f"{name}: an operand is None, no tensor. Is there a forward(), or another function, "
            "without a return?"
        )
    if isinstance(error, TypeError):
        return argument_error(name, error)
    if "zero-size array" in str(error) or "empty sequence" in str(error):
        listed = " and ".join(str(shape) for shape in shapes)
        return ShapeError(
            f"{name}: shape {listed} has no elements to find the largest or smallest of. "
            "Is a batch, or a selection such as x[mask], empty? x.size says so"
        )
    return None
