"""Module 11: embeddings. Tokens become vectors, and places in a sequence become vectors too.

`embedding` takes rows of a matrix, one for each token; training moves exactly the rows that were
taken. A sum or an attention cannot tell in which order its vectors came, so the place has to be
written into them: learned (GPT-2), as waves of many lengths (the first transformer), or by turning
the vectors, so that products depend on distances only (`rotary`, most models today). Left out: the
fast form of `embedding` (`kernels/embedding.py`), and what looks at the vectors (module 12).
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from tinytorch.arch.sizes import require_sizes
from tinytorch.core.elsewhere import explains_arguments
from tinytorch.core.errors import ShapeError
from tinytorch.core.layers import Module
from tinytorch.core.primitive import Array, Record, gradient, primitive
from tinytorch.core.random import default_generator
from tinytorch.core.tensor import Tensor


@primitive
def embedding(indices: Array, weight: Array, *, padding_idx: int | None = None) -> Array:
    """The rows of `weight` at `indices`: a vector for each token.

    indices (...), integers; weight (vocabulary, d) -> (..., d). The row `padding_idx` is read like
    the others and receives no gradient. Raises TypeError for indices that are no integers,
    IndexError for those outside of the vocabulary, ShapeError for a weight that is no matrix.

    >>> embedding([2, 0, 2], Tensor([[0, 1], [2, 3], [4, 5]])).tolist()
    [[4, 5], [0, 1], [4, 5]]
    """
    indices = np.asarray(indices)  # a single index comes as a plain number
    if weight.ndim != 2:
        raise ShapeError(f"embedding: the weight is (vocabulary, d), not {weight.shape}")
    if indices.dtype.kind not in "iu":
        raise TypeError(f"embedding: indices are integers, not {indices.dtype}: .astype(np.int64)?")
    wrong = (indices < 0) | (indices >= len(weight))
    if wrong.any():
        raise IndexError(
            f"embedding: index {indices[wrong][0]}, but the vocabulary has {len(weight)} tokens, "
            f"0 to {len(weight) - 1}. Was the text encoded by another tokenizer?"
        )
    return weight[indices]


@gradient("embedding")
def embedding_gradient(g: Array, call: Record) -> Any:
    """The gradient of the rows: each receives what was passed back to all places that took it.

    g (..., d). `dweight[indices] += g` would be wrong: of an index that repeats, it adds one only.
    """
    indices, weight = call.arrays
    dweight = np.zeros_like(weight)
    np.add.at(dweight, indices, g)
    padding_idx = call.params.get("padding_idx")
    if padding_idx is not None:
        dweight[padding_idx] = 0
    return None, dweight


def normal(shape: tuple[int, ...], std: float, rng: np.random.Generator | None = None) -> Tensor:
    """A parameter drawn from the normal distribution around 0, float32."""
    rng = rng or default_generator()
    return Tensor(rng.standard_normal(shape, np.float32) * std, np.float32, requires_grad=True)


class Embedding(Module):
    """A vector to learn for each token: indices (...) -> (..., embedding_dim).

    num_embeddings  how many tokens there are; weight is (num_embeddings, embedding_dim)
    padding_idx     a token that only fills up: its vector is 0, and stays so. Negative counts from
                    the end
    rng             where the initial values come from: normal with deviation 1, as in PyTorch
    """

    @explains_arguments
    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        rng: np.random.Generator | None = None,
    ) -> None:
        require_sizes("Embedding", num_embeddings=num_embeddings, embedding_dim=embedding_dim)
        self.weight = normal((num_embeddings, embedding_dim), 1.0, rng)
        self.padding_idx = padding_idx
        if padding_idx is not None:
            if not -num_embeddings <= padding_idx < num_embeddings:
                raise ValueError(
                    f"Embedding: padding_idx {padding_idx} is none of the {num_embeddings} tokens"
                )
            self.padding_idx = padding_idx % num_embeddings
            self.weight.data[self.padding_idx] = 0

    def forward(self, indices: Tensor) -> Tensor:
        """Integers (...) -> (..., embedding_dim). Raises TypeError, IndexError."""
        return embedding(indices, self.weight, padding_idx=self.padding_idx)

    def describe(self) -> str:
        num_embeddings, embedding_dim = self.weight.shape
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return f"{num_embeddings}, {embedding_dim}{padding}"


# Where a token stands
def sinusoids(max_len: int, d_model: int) -> Array:
    """The table of waves (max_len, d_model), float32: one row for each place.

    Column 2i holds sin(place / 10000^(2i / d_model)), column 2i + 1 the cosine. Wavelengths grow
    from 2 pi to 10000 * 2 pi. Vaswani et al., "Attention Is All You Need", 2017, section 3.5.
    """
    places = np.arange(max_len)[:, np.newaxis]  # (max_len, 1)
    rates = 10_000.0 ** (-np.arange(0, d_model, 2) / d_model)  # (ceil(d_model / 2),)
    angles = places * rates  # (max_len, ceil(d_model / 2))
    table = np.empty((max_len, d_model), np.float32)
    table[:, 0::2] = np.sin(angles)
    table[:, 1::2] = np.cos(angles[:, : d_model // 2])  # of an odd d_model the last is a sine
    return table


class PositionalEncoding(Module):
    """Adds to each vector one that says where it stands: x (..., T, d_model) -> the same shape.

    d_model  the length of the vectors
    max_len  how long a sequence can be
    kind     "sinusoidal": a fixed table of waves, nothing to train or to save. "learned": a
             parameter `weight` (max_len, d_model), drawn with deviation 0.02 as in GPT-2
    rng      where learned positions come from

    `start` is the place of the first vector, where it is not 0: what came before was seen earlier.
    Raises ShapeError for vectors of another length, and for a sequence beyond max_len.
    """

    @explains_arguments
    def __init__(
        self,
        d_model: int,
        max_len: int,
        kind: str = "sinusoidal",
        rng: np.random.Generator | None = None,
    ) -> None:
        require_sizes("PositionalEncoding", d_model=d_model, max_len=max_len)
        if kind not in ("sinusoidal", "learned"):
            raise ValueError(f'PositionalEncoding: kind is "sinusoidal" or "learned", not {kind!r}')
        self.d_model, self.max_len, self.kind = d_model, max_len, kind
        if kind == "learned":
            self.weight = normal((max_len, d_model), 0.02, rng)
        else:
            self._table = Tensor(sinusoids(max_len, d_model))  # private: no parameter, not saved

    def forward(self, x: Tensor, start: int = 0) -> Tensor:
        """x (..., T, d_model) -> the same shape; its first vector stands at place `start`."""
        if x.ndim < 2 or x.shape[-1] != self.d_model:
            raise ShapeError(f"PositionalEncoding: x is (..., T, {self.d_model}), not {x.shape}")
        stop = start + x.shape[-2]
        if start < 0 or stop > self.max_len:
            raise ShapeError(
                f"PositionalEncoding: places {start} to {stop - 1}, but max_len is {self.max_len}: "
                "cut the sequence, or make the encoding longer"
            )
        table = self.weight if self.kind == "learned" else self._table
        return x + table[start:stop]  # (..., T, d_model) + (T, d_model)

    def describe(self) -> str:
        return f"{self.d_model}, max_len={self.max_len}, kind={self.kind!r}"


@functools.lru_cache(maxsize=16)
def turns(length: int, d: int, start: int, base: float) -> Array:
    """The complex numbers (length, d / 2), all of length 1, by which `rotary` turns."""
    places = np.arange(start, start + length)[:, np.newaxis]  # (length, 1)
    rates = base ** (-np.arange(0, d, 2) / d)  # (d / 2,)
    return np.exp(1j * places * rates)


def turned(x: Array, by: Array) -> Array:
    """Neighbours in x (..., T, d), two by two as complex numbers, times `by` (T, d / 2)."""
    real = np.float64 if x.dtype == np.float64 else np.float32
    points = np.ascontiguousarray(x, real).view(np.result_type(real, np.complex64))
    return (points * by.astype(points.dtype)).view(real).astype(x.dtype, copy=False)


@primitive
def rotary(x: Array, *, start: int = 0, base: float = 10_000.0) -> Array:
    """Queries or keys, each turned by an angle that grows with its place in the sequence.

    x (..., T, d), d even. Elements 2i and 2i + 1 are a point in the plane, which is turned by
    place * base^(-2i / d). Then the product of a query and a key depends on the distance of their
    places, and on the places no more. `start` is the place of the first vector. (Some models pair
    the first half of the elements with the second; their weights have to be reordered.)
    Su et al., "RoFormer: Enhanced Transformer with Rotary Position Embedding", 2021.
    Raises ShapeError for an odd d, TypeError for integers.
    """
    if x.ndim < 2 or x.shape[-1] % 2:
        raise ShapeError(f"rotary: x is (..., T, d) with an even d, not {x.shape}")
    if x.dtype.kind != "f":
        raise TypeError(f"rotary: x is floating point, not {x.dtype}: .astype(np.float32)?")
    return turned(x, turns(x.shape[-2], x.shape[-1], start, base))


@gradient("rotary")
def rotary_gradient(g: Array, call: Record) -> Any:
    """The gradient is turned back: a turn keeps lengths, so its inverse is its transpose."""
    length, d = g.shape[-2:]
    start, base = call.params.get("start", 0), call.params.get("base", 10_000.0)
    return turned(g, turns(length, d, start, base).conj())


# The fast form of `embedding` attaches itself
from tinytorch.arch.kernels import embedding as _kernel  # noqa: E402, F401
