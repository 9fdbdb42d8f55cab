"""A transformer for writing: each block is two operations instead of twenty.

With a cache a token is one row, and there is little to compute: in a GPT of 128 features most of
the time goes into calling. `fused_for_writing` copies a model and exchanges its blocks for
`FusedBlock`s, which pass the door twice: before the cache is read, normalisation and one product
with the joined weights of queries, keys and values; after it, all the rest. Numbers, prompts and
caches are the same.

    quick = fused_for_writing(model)
    quick.generate(prompt, 100, past=caches_for(quick))

Left out: gradients (train the model, then copy it), masks, dropout, and export: the parameters have
other names, and no other reader of graphs knows the two operations.
"""

from __future__ import annotations

import math
from typing import Any, TypeVar

import numpy as np

from tinytorch.arch.attention import MultiHeadAttention, Past, scaled_dot_product_attention
from tinytorch.arch.transformers import LayerNorm, TransformerBlock, layer_norm
from tinytorch.core.activations import gelu
from tinytorch.core.context import current
from tinytorch.core.layers import Linear, Module
from tinytorch.core.primitive import Array, Event, Primitive, primitive
from tinytorch.core.tensor import Tensor
from tinytorch.opt.costs import Cost, cost, moved
from tinytorch.opt.memoization import blocks_of
from tinytorch.opt.surgery import copy_of

M = TypeVar("M", bound=Module)


def inside(operation: Primitive, *arrays: Array, **params: Any) -> Array:
    """An operation that is part of another: its kernel or its definition, but not the door."""
    kernel = operation.kernels.get(current().kernels)
    answer = kernel.forward(list(arrays), params, False) if kernel is not None else None
    return operation.definition(*arrays, **params) if answer is None else answer[0]


@primitive
def normalised_heads(
    x: Array,
    weight: Array,
    bias: Array,
    joined: Array,
    joined_bias: Array,
    *,
    heads: int,
    eps: float,
) -> tuple[Array, ...]:
    """Queries, keys and values of layer-normalised x, each (B, heads, T, features).

    x (B, T, d), weight and bias (d,) of the normalisation, joined (d, 3 d), joined_bias (3 d,).
    """
    batch, positions, d = x.shape
    y = inside(layer_norm, x, weight, bias, eps=eps).reshape(-1, d) @ joined
    y += joined_bias
    dealt = y.reshape(batch, positions, 3, heads, -1)
    return tuple(dealt.transpose(2, 0, 3, 1, 4))  # (B, T, 3, heads, f) -> 3 of (B, heads, T, f)


@primitive
def attended_and_thought(
    x: Array,
    q: Array,
    k: Array,
    v: Array,
    out: Array,
    out_bias: Array,
    weight: Array,
    bias: Array,
    hidden: Array,
    hidden_bias: Array,
    down: Array,
    down_bias: Array,
    *,
    is_causal: bool,
    eps: float,
) -> Array:
    """h = x + attention(q, k, v) @ out, and then h + gelu(norm(h) @ hidden) @ down: x's shape."""
    answers = inside(scaled_dot_product_attention, q, k, v, is_causal=is_causal)
    d = x.shape[-1]
    h = answers.transpose(0, 2, 1, 3).reshape(-1, d) @ out  # (B, heads, T, f) -> (B * T, d)
    h += out_bias
    h += x.reshape(-1, d)
    between = inside(layer_norm, h, weight, bias, eps=eps) @ hidden
    between += hidden_bias
    y: Array = inside(gelu, between) @ down
    y += down_bias
    y += h
    return y.reshape(x.shape)


class FusedBlock(Module):
    """What a `TransformerBlock` computes when it is not trained, in two operations."""

    def __init__(self, block: TransformerBlock) -> None:
        norms: list[Any] = [block.norm1, block.norm2]
        for norm in norms:
            if not isinstance(norm, LayerNorm) or norm.bias is None:
                raise TypeError(
                    f"fused_for_writing: a block with {norm!r}: it knows LayerNorm with a bias only"
                )
        kinds = [type(part) for part in (block.attention, block.mlp.hidden, block.mlp.out)]
        if kinds != [MultiHeadAttention, Linear, Linear]:
            raise TypeError(
                f"fused_for_writing: a block with attention that is {kinds[0].__name__} and an MLP "
                f"of {', '.join(kind.__name__ for kind in kinds[1:])}: it would compute something "
                "else than MultiHeadAttention and two Linear, so it is not fused"
            )
        attention, mlp = block.attention, block.mlp
        parts: list[Linear] = [attention.query, attention.key, attention.value]
        self.heads = attention.n_heads
        self.norm1, self.norm2 = norms
        self.joined = Tensor(np.concatenate([part.weight.data for part in parts], axis=1))
        self.joined_bias = Tensor(np.concatenate([bias_of(part).data for part in parts]))
        self.out, self.hidden, self.down = attention.out, mlp.hidden, mlp.out
        self._before = [norms[0].weight, norms[0].bias, self.joined, self.joined_bias]
        after: list[Any] = [self.out, self.norm2, self.hidden, self.down]
        self._after = [x for part in after for x in (part.weight, bias_of(part))]

    def forward(
        self, x: Tensor, mask: Any = None, is_causal: bool = False, past: Past | None = None
    ) -> Tensor:
        """x (B, T, d_model) -> the same shape; `past` as for attention. Takes no mask."""
        if mask is not None:
            raise ValueError("FusedBlock: it takes no mask; use the model that it was copied from")
        q, k, v = normalised_heads(x, *self._before, heads=self.heads, eps=self.norm1.eps)
        if past is not None:
            k, v = past.extend(k, v)
        return attended_and_thought(
            x, q, k, v, *self._after, is_causal=is_causal, eps=self.norm2.eps
        )


def bias_of(part: Any) -> Tensor:
    """The bias of a layer, or zeros where it has none."""
    if part.bias is None:
        return Tensor(np.zeros(part.weight.shape[-1], np.float32))
    bias: Tensor = part.bias
    return bias


def fused_for_writing(model: M) -> M:
    """A copy of a transformer that writes faster; it cannot be trained.

    Raises TypeError for a model without blocks, or with blocks that are normalised otherwise.
    """
    for block in blocks_of(model):
        if not isinstance(block, TransformerBlock):
            raise TypeError(
                f"fused_for_writing: {type(block).__name__} is no TransformerBlock, so what it "
                "computes is not known"
            )
    copy: Any = copy_of(model)
    copy.blocks = [FusedBlock(block) for block in copy.blocks]
    copy.requires_grad_(False)
    return copy.eval()


# What they cost
@cost("normalised_heads")
def normalised_heads_cost(event: Event) -> Cost:
    """One product; eight steps of the normalisation and a sum for the bias."""
    x, joined = event.record.arrays[0], event.record.arrays[3]
    return Cost(2 * x.size * joined.shape[1], 11 * x.size, moved(event))


@cost("attended_and_thought")
def attended_and_thought_cost(event: Event) -> Cost:
    """Three products and attention; some steps for each number in between."""
    x, q, k, v, out, _, _, _, hidden, *_ = event.record.arrays
    rows, width = x.size // x.shape[-1], hidden.shape[1]
    scores = math.prod(q.shape[:-1]) * k.shape[-2]
    flops = 2 * scores * (q.shape[-1] + v.shape[-1]) + 2 * rows * (out.size + 2 * hidden.size)
    return Cost(flops, 5 * scores + 12 * x.size + 9 * rows * width, moved(event))
