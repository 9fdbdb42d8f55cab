"""Module 12: attention. Each position asks a question, and is answered by all the others.

A query q is compared with every key k; softmax makes shares of the comparisons, and the answer is
the sum of the values v in these shares: softmax(q k' / sqrt(d)) v. This file holds that as one
primitive with its gradient, who may look at whom (masks), and the layer with several heads. Left
out: the form that is fast and keeps no T x S matrix (`kernels/attention.py`), dropout of shares
(models drop what a block adds instead), positions (module 11), and the block (module 13).

Vaswani et al., "Attention is all you need", 2017, section 3.2.
"""

from __future__ import annotations

import math
from typing import Any, Protocol

import numpy as np

from tinytorch.arch.sizes import require_sizes
from tinytorch.core.elsewhere import explains_arguments
from tinytorch.core.errors import ShapeError, broadcast_error
from tinytorch.core.layers import Linear, Module
from tinytorch.core.primitive import Array, Record, gradient, primitive
from tinytorch.core.tensor import Tensor


# Who may look at whom
def causal_mask(queries: int, keys: int) -> Array:
    """Which of `keys` positions each of `queries` may attend to, if nobody looks into the future.

    The queries are the last of the positions: with as many keys as queries, the lower triangle.
    (queries, keys), boolean.

    >>> causal_mask(2, 3).astype(int)
    array([[1, 1, 0],
           [1, 1, 1]])
    """
    return np.tri(queries, keys, keys - queries, dtype=bool)


def allowed(q: Array, k: Array, mask: Array | None, is_causal: bool) -> Array | None:
    """Return who may look at whom, from both sources: boolean, (..., T, S); None for everybody."""
    if not is_causal:
        return mask
    causal = causal_mask(q.shape[-2], k.shape[-2])
    return causal if mask is None else mask & causal


def require_fitting(q: Array, k: Array, v: Array, mask: Array | None, is_causal: bool) -> None:
    """Raise ShapeError or TypeError, saying why, unless these can be the operands of attention."""
    name = "scaled_dot_product_attention"
    shapes = f"q {np.shape(q)}, k {np.shape(k)}, v {np.shape(v)}"
    if min(np.ndim(q), np.ndim(k), np.ndim(v)) < 2:
        raise ShapeError(f"{name}: {shapes}: each needs two axes, (positions, features), or more")
    if q.shape[-1] != k.shape[-1] or not q.shape[-1]:
        raise ShapeError(
            f"{name}: {shapes}: a query of {q.shape[-1]} features cannot be compared with a key of "
            f"{k.shape[-1]}; their last axes must be of one size, and not 0"
        )
    if k.shape[-2] != v.shape[-2]:
        raise ShapeError(
            f"{name}: {shapes}: {k.shape[-2]} keys, but {v.shape[-2]} values; each key has one"
        )
    if is_causal and q.shape[-2] > k.shape[-2]:
        raise ShapeError(
            f"{name}: {shapes}: is_causal takes the queries for the last of the positions, so "
            f"there cannot be {q.shape[-2]} of them with {k.shape[-2]} keys; give a mask instead"
        )
    try:
        before = np.broadcast_shapes(q.shape[:-2], k.shape[:-2], v.shape[:-2])
    except ValueError:
        raise broadcast_error(
            f"{name}: {shapes}: before the last two axes", [x.shape[:-2] for x in (q, k, v)]
        ) from None
    if mask is None:
        return
    if mask.dtype != bool:
        raise TypeError(
            f"{name}: the mask holds {mask.dtype}, not booleans; True means: may attend. "
            "mask == 0 or mask != 0?"
        )
    scores = (*before, q.shape[-2], k.shape[-2])
    try:
        fits = np.broadcast_shapes(mask.shape, scores) == scores
    except ValueError:
        fits = False
    if not fits:
        raise ShapeError(
            f"{name}: a mask of shape {mask.shape} does not broadcast to {scores}, one entry for "
            "each query and each key. A mask of keys alone, (batch, keys), becomes "
            "mask[:, None, None, :]"
        )


# Attention
def scale_of(q: Array, scale: float | None) -> float:
    """What scores are multiplied with: `scale`, or 1 / sqrt(features)."""
    return 1 / math.sqrt(q.shape[-1]) if scale is None else scale


def attention_weights(
    q: Array,
    k: Array,
    mask: Array | None = None,
    *,
    is_causal: bool = False,
    scale: float | None = None,
) -> Array:
    """The share of each key in the answer to each query: (..., T, S), rows that sum to 1.

    A row that may attend nowhere is all zeros: no key has a share in nothing.
    """
    scores = (q * scale_of(q, scale)) @ k.mT  # (..., T, d) @ (..., d, S) -> (..., T, S)
    may = allowed(q, k, mask, is_causal)
    if may is not None:
        scores = np.where(may, scores, scores.dtype.type(-np.inf))
    largest = scores.max(axis=-1, keepdims=True, initial=-np.inf)
    e = np.exp(scores - np.where(largest == -np.inf, 0, largest))  # exp(-inf) is 0
    total = e.sum(axis=-1, keepdims=True)
    return e / np.where(total == 0, 1, total)


@primitive
def scaled_dot_product_attention(
    q: Array,
    k: Array,
    v: Array,
    mask: Array | None = None,
    *,
    is_causal: bool = False,
    scale: float | None = None,
) -> Array:
    """softmax(q k' * scale) v over the keys that a query may attend to.

    q (..., T, d), k (..., S, d), v (..., S, e) -> (..., T, e); the axes before broadcast.

    mask       boolean, broadcasting to (..., T, S): True may attend, as in PyTorch. A query that
               may attend nowhere is answered with zeros, and its gradients are zeros
    is_causal  position i attends to no later one. The queries are the last T of S positions
               (PyTorch takes them for the first; with T = S it is the same)
    scale      1 / sqrt(d) by default, so that scores have the variance of q and k

    Raises ShapeError, and TypeError for a mask that is not boolean.
    """
    mask = None if mask is None else np.asarray(mask)
    require_fitting(q, k, v, mask, is_causal)
    return attention_weights(q, k, mask, is_causal=is_causal, scale=scale) @ v


def mask_of(arrays: list[Any], params: dict[str, Any]) -> Array | None:
    """The mask of a call, which may have come as fourth operand or by name."""
    mask = arrays[3] if len(arrays) > 3 else params.get("mask")
    return None if mask is None else np.asarray(mask)


@gradient("scaled_dot_product_attention")
def scaled_dot_product_attention_gradient(g: Array, call: Record) -> Any:
    """The gradients of softmax(q k' * scale) v. The weights are computed once more, not kept.

    g (..., T, e). Through the product with v, then through softmax (p * (dp - sum(dp * p))), then
    through the product of q and k.
    """
    q, k, v = call.arrays[:3]
    scale = scale_of(q, call.params.get("scale"))
    p = attention_weights(
        q,
        k,
        mask_of(call.arrays, call.params),
        is_causal=call.params.get("is_causal", False),
        scale=scale,
    )
    dp = g @ v.mT  # (..., T, e) @ (..., e, S) -> (..., T, S)
    dscores = p * (dp - (dp * p).sum(axis=-1, keepdims=True)) * scale
    dq = dscores @ k if call.needs[0] else None
    dk = dscores.mT @ q if call.needs[1] else None
    dv = p.mT @ g if call.needs[2] else None
    return (dq, dk, dv, None)[: len(call.arrays)]


# The layer
class Past(Protocol):
    """What attention remembers of earlier positions, so that they need not be computed again.

    Any object will do that has `length`, the number of positions it holds, and `extend(k, v)`,
    which adds the keys and values of new ones (B, heads, T, features) and returns those of all.
    One with a list `tokens` as well is told by `generation.stream` which tokens it holds.
    """

    @property
    def length(self) -> int: ...

    def extend(self, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]: ...


class MultiHeadAttention(Module):
    """Several attentions side by side, each with queries, keys and values of its own.

    d_model  features of each position, going in and coming out
    n_heads  how many heads share them: each has d_model / n_heads
    bias     whether the four projections have one
    rng      where their initial values come from

    Raises ValueError where the heads do not divide the features.
    """

    @explains_arguments
    def __init__(
        self,
        d_model: int,
        n_heads: int,
        bias: bool = True,
        rng: np.random.Generator | None = None,
    ) -> None:
        require_sizes("MultiHeadAttention", d_model=d_model, n_heads=n_heads)
        if d_model % n_heads:
            near = [n for n in range(1, d_model + 1) if d_model % n == 0]
            raise ValueError(
                f"MultiHeadAttention({d_model}, {n_heads}): {n_heads} heads cannot share "
                f"{d_model} features evenly; take one of {near} heads"
            )
        self.n_heads = n_heads
        self.query = Linear(d_model, d_model, bias, rng)
        self.key = Linear(d_model, d_model, bias, rng)
        self.value = Linear(d_model, d_model, bias, rng)
        self.out = Linear(d_model, d_model, bias, rng)

    @explains_arguments
    def forward(
        self,
        x: Tensor,
        context: Tensor | None = None,
        mask: Any = None,
        is_causal: bool = False,
        past: Past | None = None,
    ) -> Tensor:
        """Answer the positions of x from those of `context`, or from their own.

        x (B, T, d_model), context (B, S, d_model) -> (B, T, d_model).

        mask  boolean, True may attend: (T, S), (B, T, S) or (B, heads, T, S)
        past  what was computed for earlier positions of x; see `tinytorch.arch.attention.Past`

        Raises ShapeError, and TypeError for a mask that is not boolean.
        """
        source = x if context is None else context
        q, k, v = (
            self.heads(self.query, x),
            self.heads(self.key, source),
            self.heads(self.value, source),
        )
        if past is not None:
            k, v = past.extend(k, v)
        answers = scaled_dot_product_attention(q, k, v, for_heads(mask), is_causal=is_causal)
        # (B, heads, T, features) -> (B, T, heads, features) -> (B, T, d_model)
        return self.out(answers.transpose(1, 2).reshape(x.shape))

    def heads(self, projection: Linear, x: Tensor) -> Tensor:
        """Project x (B, T, d_model) and deal the features out: (B, heads, T, features)."""
        d_model = self.query.weight.shape[0]
        if x.ndim != 3 or x.shape[-1] != d_model:
            raise ShapeError(
                f"MultiHeadAttention: x is (batch, positions, {d_model}), not {x.shape}"
                + ("; x[None] makes a batch of one" if x.ndim == 2 else "")
            )
        batch, positions, _ = x.shape
        dealt = projection(x).reshape(batch, positions, self.n_heads, -1)
        return dealt.transpose(1, 2)  # (B, T, heads, features) -> (B, heads, T, features)

    def attention_map(
        self, x: Tensor, context: Tensor | None = None, mask: Any = None, is_causal: bool = False
    ) -> Array:
        """The shares behind the answers of `forward`, to be looked at: (B, heads, T, S)."""
        q = self.heads(self.query, x).data
        k = self.heads(self.key, x if context is None else context).data
        may = for_heads(mask)
        may = None if may is None else np.asarray(may)
        require_fitting(q, k, k, may, is_causal)
        return attention_weights(q, k, may, is_causal=is_causal)

    def describe(self) -> str:
        return f"{self.query.weight.shape[0]}, n_heads={self.n_heads}"


def for_heads(mask: Any) -> Any:
    """A mask for each example, (B, T, S), as one for all its heads: (B, 1, T, S)."""
    if mask is None:
        return None
    may = mask if isinstance(mask, Tensor) else np.asarray(mask)
    if may.dtype != bool:
        raise TypeError(
            f"MultiHeadAttention: the mask holds {may.dtype}, not booleans; True means: may "
            "attend. mask == 0 or mask != 0? (It takes x, context, mask: keys and values both "
            "come from the context)"
        )
    return may[:, None] if may.ndim == 3 else may


# The fast form attaches itself
from tinytorch.arch.kernels import attention as _kernel  # noqa: E402, F401
