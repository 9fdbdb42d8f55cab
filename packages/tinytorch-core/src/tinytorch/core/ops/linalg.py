"""Products of tensors: `einsum`, which names the axes to multiply and to sum, and `outer`.

Besides `matmul` of module 01. Left out: decompositions and solvers.
"""

from __future__ import annotations

from collections.abc import Sequence
from string import ascii_letters
from typing import Any

import numpy as np

from tinytorch.core.errors import ShapeError
from tinytorch.core.primitive import Array, Record, gradient, primitive
from tinytorch.core.tensor import Tensor, mul, reshape


def einsum(subscripts: str, *operands: Any) -> Tensor:
    """Multiply tensors and sum, with a letter for each axis: Einstein's notation.

    subscripts  "ij,jk->ik" is the matrix product: axes of one letter go together, and letters that
                the result lacks are summed over. "..." stands for further axes, which broadcast.
                Without "->" the result has all letters that occur once, in alphabetical order.

    Raises ShapeError for subscripts that do not fit the operands, and ValueError for a letter that
    occurs twice in one operand: index the diagonal instead, x[i, i] with i = np.arange(n).

    >>> from tinytorch.core.ops import einsum, ones
    >>> einsum("bik,bjk->bij", ones(2, 3, 4), ones(2, 5, 4)).shape
    (2, 3, 5)
    """
    shapes = [np.shape(x) for x in operands]
    return contract(*operands, subscripts=spelled_out(subscripts, shapes))


@primitive
def contract(*arrays: Array, subscripts: str) -> Array:
    """What `einsum` calls, with subscripts that leave nothing out: "ij,jk->ik"."""
    letter_sizes(subscripts, arrays)
    return np.einsum(subscripts, *arrays, optimize=len(arrays) > 1)


@gradient("contract")
def contract_gradient(g: Array, call: Record) -> Any:
    """An operand's gradient is a product too: of g and the other operands, with its own letters."""
    inputs, _, output = call.params["subscripts"].partition("->")
    terms = inputs.split(",")
    sizes = letter_sizes(call.params["subscripts"], call.arrays)
    answer: list[Array | None] = []
    for i, (term, need) in enumerate(zip(terms, call.needs, strict=True)):
        if not need:
            answer.append(None)
            continue
        others = [output, *terms[:i], *terms[i + 1 :]]
        arrays = [g, *call.arrays[:i], *call.arrays[i + 1 :]]
        known = "".join(letter for letter in term if any(letter in other for other in others))
        dx = np.einsum(f"{','.join(others)}->{known}", *arrays, optimize=True)
        # a letter that only this operand has was summed over: all along it get the same
        alone = tuple(axis for axis, letter in enumerate(term) if letter not in known)
        shape = tuple(sizes[letter] for letter in term)
        answer.append(np.broadcast_to(np.expand_dims(dx, alone), shape))
    return tuple(answer)


def letter_sizes(subscripts: str, arrays: Sequence[Array]) -> dict[str, int]:
    """Return how long the axis is that each letter names. Raises ShapeError where that differs."""
    sizes: dict[str, int] = {}
    for term, array in zip(subscripts.partition("->")[0].split(","), arrays, strict=True):
        for letter, n in zip(term, np.shape(array), strict=True):
            known = sizes.get(letter, 1)
            if known != n and 1 not in (known, n):
                raise ShapeError(
                    f"einsum: axis {letter!r} of {subscripts!r} has sizes {known} and {n} "
                    f"in shapes {' and '.join(str(np.shape(a)) for a in arrays)}; transpose one?"
                )
            sizes[letter] = n if known == 1 else known
    return sizes


def spelled_out(subscripts: str, shapes: list[tuple[int, ...]]) -> str:
    """Return `subscripts` with letters in place of "...", and with the result's letters.

    Raises ShapeError or ValueError as `einsum` does.
    """
    inputs, arrow, output = subscripts.replace(" ", "").partition("->")
    terms = inputs.split(",")
    if len(terms) != len(shapes):
        raise ShapeError(
            f"einsum: {subscripts!r} names {len(terms)} operands, but {len(shapes)} were given"
        )
    unused = [letter for letter in ascii_letters if letter not in subscripts]
    further = max(
        (
            len(shape) - len(term.replace("...", ""))
            for term, shape in zip(terms, shapes, strict=True)
            if "..." in term
        ),
        default=0,
    )  # the most axes that "..." stands for
    letters = "".join(unused[: max(further, 0)])
    spelled = []
    for term, shape in zip(terms, shapes, strict=True):
        named = term.replace("...", "")
        axes = len(shape) - len(named)
        if axes < 0 or (axes > 0 and "..." not in term):
            raise ShapeError(
                f"einsum: {term!r} in {subscripts!r} names {len(named)} axes, "
                f"but the operand has shape {shape}"
            )
        if not named.isalpha() and named:
            raise ValueError(f"einsum: {term!r} in {subscripts!r}: axes are named by letters")
        if len(set(named)) < len(named):
            raise ValueError(
                f"einsum: {term!r} in {subscripts!r} names an axis twice, and diagonals are not "
                "supported; take it by indexing first, x[i, i] with i = np.arange(n)"
            )
        spelled.append(term.replace("...", letters[len(letters) - axes :]))
    if not arrow:
        once = sorted(
            letter for letter in set("".join(terms)) - set(".") if inputs.count(letter) == 1
        )
        output = "..." + "".join(once)
    result = output.replace("...", letters)
    unknown = set(result) - set("".join(spelled))
    if unknown or len(set(result)) < len(result):
        raise ValueError(
            f"einsum: the result of {subscripts!r} names an axis twice, or one that no operand has"
        )
    return f"{','.join(spelled)}->{result}"


def outer(x: Any, y: Any) -> Tensor:
    """Every product of an element of x (n,) and one of y (m,) -> (n, m)."""
    return mul(reshape(x, shape=(-1, 1)), reshape(y, shape=(1, -1)))
