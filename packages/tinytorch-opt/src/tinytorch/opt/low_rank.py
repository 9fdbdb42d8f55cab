"""Low rank: a matrix as the product of two thin ones, where that takes fewer numbers.

A weight (in, out) is a sum of `min(in, out)` outer products, the largest first: its singular value
decomposition. The first `rank` of them are two matrices, (in, rank) and (rank, out), and are the
best of all approximations of that rank; what is lost is the root of the sum of the squares of the
other singular values (Eckart and Young, "The approximation of one matrix by another of lower
rank", 1936). A convolution is such a matrix too: (C kh kw, O); its two halves are a convolution
with few channels, and a 1x1 convolution.

    small = low_rank(model, energy=0.9)

Left out: training afterwards, and decompositions of more than two factors.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TypeVar

import numpy as np

from tinytorch.arch.convolutions import Conv2d
from tinytorch.core.layers import Linear, Module
from tinytorch.core.primitive import Array
from tinytorch.core.tensor import Tensor
from tinytorch.opt.surgery import module_at, replaced

M = TypeVar("M", bound=Module)


def low_rank(
    model: M,
    *,
    energy: float | None = None,
    share: float | None = None,
    layers: Iterable[str] | None = None,
) -> M:
    """Return a copy of `model` in which layers are two thin ones, wherever that saves parameters.

    energy  keep the ranks that hold this share of the sum of all squared singular values, or
    share   as many ranks as take this share of the layer's weights
    layers  dotted names; None means every `Linear` and every `Conv2d` without groups

    Layers that would not be smaller stay as they are. Raises ValueError, unless exactly one of
    energy and share is given, between 0 and 1; KeyError or ValueError for a layer that there is
    not, or that is no such layer.
    """
    given = energy if energy is not None else share
    if given is None or (energy is not None and share is not None) or not 0 < given <= 1:
        raise ValueError(
            f"low_rank: energy={energy}, share={share}: one of the two is needed, above 0, up to 1"
        )
    if layers is None:
        names = [name for name, module in model.named_modules() if name and _fits(module)]
    else:
        names = list(layers)
    exchange: dict[str, Module] = {}
    for name in names:
        layer = module_at(model, name)
        weight = matrix_of(layer)
        rank = rank_for(weight, energy) if energy is not None else rank_within(weight, given)
        if 0 < rank < worthwhile(weight):
            exchange[name] = factorized(layer, rank)
    return replaced(model, exchange)


# How many ranks
def rank_for(weight: Array, energy: float) -> int:
    """The smallest rank, at least 1, that holds a share of the sum of squared singular values."""
    squares = np.linalg.svd(weight.astype(np.float64), compute_uv=False) ** 2
    held = np.cumsum(squares)
    enough = np.flatnonzero(held >= energy * held[-1])
    return int(enough[0]) + 1


def rank_within(weight: Array, share: float) -> int:
    """The largest rank that takes no more than a share of the weight's elements; it may be 0."""
    return int(share * weight.size / sum(weight.shape))


def worthwhile(weight: Array) -> int:
    """The rank from which two matrices take as many numbers as one: in * out / (in + out)."""
    return math.ceil(weight.size / sum(weight.shape))


# Two thin matrices
def halves(weight: Array, rank: int) -> tuple[Array, Array]:
    """Return the best first (in, rank) and second (rank, out), whose product is nearly `weight`.

    Both have a part in the singular values, so that numbers in both are of one size.
    """
    u, values, v = np.linalg.svd(weight.astype(np.float64), full_matrices=False)
    root = np.sqrt(values[:rank])
    first, second = u[:, :rank] * root, root[:, np.newaxis] * v[:rank]
    return first.astype(weight.dtype), second.astype(weight.dtype)


def matrix_of(layer: Module) -> Array:
    """The weight of a layer as a matrix, (in, out) or (C kh kw, O). Raises ValueError."""
    if isinstance(layer, Linear):
        return layer.weight.data
    if isinstance(layer, Conv2d) and layer.groups == 1:
        return layer.weight.data.reshape(len(layer.weight), -1).T
    raise ValueError(
        f"{layer!r:.80} is not of low rank here: only Linear, and Conv2d without groups, can be"
    )


def factorized(layer: Module, rank: int) -> Module:
    """Return two layers, one after the other, of rank `rank`, in place of one."""
    first, second = halves(matrix_of(layer), rank)
    if isinstance(layer, Linear):
        thin = Linear(len(first), rank, bias=False)
        wide: Linear | Conv2d = Linear(rank, second.shape[1], bias=layer.bias is not None)
        shapes = first, second
    else:
        assert isinstance(layer, Conv2d)
        outputs, channels, *kernel = layer.weight.shape
        where = {"stride": layer.stride, "padding": layer.padding, "dilation": layer.dilation}
        thin = Conv2d(channels, rank, tuple(kernel), bias=False, **where)  # type: ignore[assignment, arg-type]
        wide = Conv2d(rank, outputs, 1, bias=layer.bias is not None)
        # (C kh kw, rank) -> (rank, C, kh, kw); (rank, O) -> (O, rank, 1, 1)
        shapes = first.T.reshape(rank, channels, *kernel), second.T[:, :, np.newaxis, np.newaxis]
    for half, array in zip((thin, wide), shapes, strict=True):
        half.weight.data = np.ascontiguousarray(array)
    if layer.bias is not None and wide.bias is not None:
        wide.bias.data = np.array(layer.bias.data)
    result = LowRank(thin, wide)
    for parameter in result.parameters():
        parameter.requires_grad = layer.weight.requires_grad
    return result


def _fits(module: Module) -> bool:
    return isinstance(module, Linear) or (isinstance(module, Conv2d) and module.groups == 1)


class LowRank(Module):
    """Two layers that stand for one: `thin` to few features, `wide` to as many as there were."""

    def __init__(self, thin: Module, wide: Module) -> None:
        self.thin, self.wide = thin, wide

    def forward(self, x: Tensor) -> Tensor:
        return self.wide(self.thin(x))

    @property
    def weight(self) -> Tensor:
        """The one weight that they stand for, (in, out) or (O, C, kh, kw): computed when asked."""
        first, second = _weight(self.thin), _weight(self.wide)
        if first.ndim == 2:
            return Tensor(first @ second)
        return Tensor(np.tensordot(second[:, :, 0, 0], first, axes=1))


def _weight(layer: Module) -> Array:
    assert isinstance(layer, Linear | Conv2d)
    return layer.weight.data
