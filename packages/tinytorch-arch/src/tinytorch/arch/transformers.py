"""Module 13: the transformer. Normalisation, the block, and a GPT that writes.

A block is two steps, each added to what comes in: attention, in which positions exchange what they
know, and an MLP, in which each thinks for itself. Normalising before each step keeps numbers of one
size through any number of blocks. `Transformer` is GPT-2's arrangement of them: embeddings, causal
blocks, and as many logits for each position as there are tokens.

Left out: how a token is drawn from logits (`generation.py`), GPT-2's published weights
(`gpt2.py`), images (`vision_transformer.py`), and the fast forms (`kernels/`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from tinytorch.arch.attention import MultiHeadAttention, Past
from tinytorch.arch.embeddings import Embedding
from tinytorch.arch.generation import generate, stream
from tinytorch.arch.sizes import require_sizes
from tinytorch.core.activations import gelu
from tinytorch.core.elsewhere import explains_arguments
from tinytorch.core.errors import ShapeError
from tinytorch.core.layers import Dropout, Linear, Module, linear
from tinytorch.core.losses import cross_entropy
from tinytorch.core.primitive import Array, Record, gradient, primitive
from tinytorch.core.random import default_generator
from tinytorch.core.tensor import Tensor


# Normalisation
def require_one_each(name: str, x: Array, *parameters: Array | None) -> None:
    """Raise ShapeError unless there is one parameter for each feature of x, or none at all."""
    features = np.shape(x)[-1:]
    for parameter in parameters:
        if not features or (parameter is not None and np.shape(parameter) != features):
            shape = None if parameter is None else np.shape(parameter)
            raise ShapeError(
                f"{name}: x of shape {np.shape(x)} has parameters of shape {shape}; it takes one "
                f"number for each feature, the last axis: {features or 'it has none'}"
            )


def standardised(x: Array, eps: float) -> tuple[Array, Array]:
    """Return x with mean 0 and variance 1 along the last axis, and what it was divided by."""
    centred = x - x.mean(axis=-1, keepdims=True)
    deviation = np.sqrt((centred * centred).mean(axis=-1, keepdims=True) + eps)
    return centred / deviation, deviation


@primitive
def layer_norm(x: Array, weight: Array | None, bias: Array | None, *, eps: float = 1e-5) -> Array:
    """(x - mean) / sqrt(variance + eps) over the last axis, times weight, plus bias.

    x (..., features), weight and bias (features,) or None -> (..., features). The variance is the
    mean of squares, not corrected. Raises ShapeError. Ba et al., "Layer normalization", 2016.
    """
    require_one_each("layer_norm", x, weight, bias)
    y, _ = standardised(x, eps)
    if weight is not None:
        y = y * weight
    return y if bias is None else y + bias


@gradient("layer_norm")
def layer_norm_gradient(g: Array, call: Record) -> Any:
    """The gradients of layer norm.

    Mean and variance depend on every x, so dx is not g * weight / deviation: what of it lies along
    the two directions that normalising takes away, constants and y itself, is taken away as well.
    """
    x, weight, _ = call.arrays
    y, deviation = standardised(x, call.params.get("eps", 1e-5))
    needs_x, needs_weight, needs_bias = call.needs
    before = tuple(range(g.ndim - 1))  # each feature's parameters met every position
    dx = None
    if needs_x:
        dy = g if weight is None else g * weight
        along_y = (dy * y).mean(axis=-1, keepdims=True)
        dx = (dy - dy.mean(axis=-1, keepdims=True) - y * along_y) / deviation
    return (
        dx,
        (g * y).sum(axis=before) if needs_weight else None,
        g.sum(axis=before) if needs_bias else None,
    )


@primitive
def rms_norm(x: Array, weight: Array | None, *, eps: float = 1e-6) -> Array:
    """x / sqrt(mean of squares + eps) over the last axis, times weight: layer norm without a mean.

    x (..., features), weight (features,) or None -> (..., features). Raises ShapeError. Zhang and
    Sennrich, "Root mean square layer normalization", 2019.
    """
    require_one_each("rms_norm", x, weight)
    y = x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + eps)
    return y if weight is None else y * weight


@gradient("rms_norm")
def rms_norm_gradient(g: Array, call: Record) -> Any:
    """The gradients of RMS norm: what lies along y itself does not come through."""
    x, weight = call.arrays
    size = np.sqrt((x * x).mean(axis=-1, keepdims=True) + call.params.get("eps", 1e-6))
    y = x / size
    needs_x, needs_weight = call.needs
    dx = None
    if needs_x:
        dy = g if weight is None else g * weight
        dx = (dy - y * (dy * y).mean(axis=-1, keepdims=True)) / size
    return dx, (g * y).sum(axis=tuple(range(g.ndim - 1))) if needs_weight else None


class LayerNorm(Module):
    """Each position brought to mean 0 and variance 1, times weight, plus bias: see `layer_norm`.

    x (..., features) -> the same shape.

    features  the size of the last axis; weight (features,) starts at 1, bias at 0
    eps       added to the variance
    bias      whether there is one
    """

    @explains_arguments
    def __init__(self, features: int, eps: float = 1e-5, bias: bool = True) -> None:
        require_sizes("LayerNorm", features=features)
        self.weight = Tensor(np.ones(features, np.float32), requires_grad=True)
        self.bias = Tensor(np.zeros(features, np.float32), requires_grad=True) if bias else None
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """x (..., features) -> the same shape. Raises ShapeError."""
        return layer_norm(x, self.weight, self.bias, eps=self.eps)

    def describe(self) -> str:
        return f"{self.weight.size}, eps={self.eps}"


class RMSNorm(Module):
    """Each position divided by the root of its mean square, times weight: see `rms_norm`.

    x (..., features) -> the same shape.

    features  the size of the last axis; weight (features,) starts at 1
    eps       added to the mean square
    """

    @explains_arguments
    def __init__(self, features: int, eps: float = 1e-6) -> None:
        require_sizes("RMSNorm", features=features)
        self.weight = Tensor(np.ones(features, np.float32), requires_grad=True)
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """x (..., features) -> the same shape. Raises ShapeError."""
        return rms_norm(x, self.weight, eps=self.eps)

    def describe(self) -> str:
        return f"{self.weight.size}, eps={self.eps}"


# The block
class MLP(Module):
    """Two linear layers with GELU between them, at each position alike.

    d_model  features coming in and going out
    hidden   features between; None means four times as many
    """

    @explains_arguments
    def __init__(
        self, d_model: int, hidden: int | None = None, rng: np.random.Generator | None = None
    ) -> None:
        self.hidden = Linear(d_model, hidden or 4 * d_model, rng=rng)
        self.out = Linear(hidden or 4 * d_model, d_model, rng=rng)

    def forward(self, x: Tensor) -> Tensor:
        """x (..., d_model) -> the same shape."""
        return self.out(gelu(self.hidden(x)))


class TransformerBlock(Module):
    """x + attention(norm(x)), and then x + mlp(norm(x)): GPT-2's order, "pre-norm".

    d_model, n_heads  as in `MultiHeadAttention`
    hidden            features inside the MLP; None means 4 * d_model
    dropout           the share that each of the two additions loses while training
    norm              LayerNorm, or RMSNorm

    Xiong et al., "On layer normalization in the transformer architecture", 2020.
    """

    @explains_arguments
    def __init__(
        self,
        d_model: int,
        n_heads: int,
        hidden: int | None = None,
        dropout: float = 0.0,
        norm: Callable[[int], Module] = LayerNorm,
        rng: np.random.Generator | None = None,
    ) -> None:
        if not callable(norm):
            raise TypeError(
                f"TransformerBlock: norm={norm!r}: give the class, norm=LayerNorm or norm=RMSNorm"
            )
        self.norm1 = norm(d_model)
        self.attention = MultiHeadAttention(d_model, n_heads, rng=rng)
        self.norm2 = norm(d_model)
        self.mlp = MLP(d_model, hidden, rng)
        self.dropout = Dropout(dropout, rng)

    def forward(
        self, x: Tensor, mask: Any = None, is_causal: bool = False, past: Past | None = None
    ) -> Tensor:
        """x (B, T, d_model) -> the same shape. `mask`, `is_causal`, `past` as for attention."""
        seen = self.attention(self.norm1(x), mask=mask, is_causal=is_causal, past=past)
        x = x + self.dropout(seen)
        return x + self.dropout(self.mlp(self.norm2(x)))


# The model
class Transformer(Module):
    """GPT: from tokens to logits for the token after each of them.

    vocab     how many different tokens there are
    d_model   features of each position; n_heads share them in attention
    n_layers  blocks
    context   the longest sequence it can read: each place has a learned embedding
    dropout   while training, of embeddings and of what each block adds
    tied      whether the logits use the token embeddings once more (as GPT-2) or a matrix of their
              own
    norm      LayerNorm, or RMSNorm
    rng       where initial values, and what dropout drops, come from

    Radford et al., "Language models are unsupervised multitask learners", 2019 (GPT-2). All
    weights start normally distributed with standard deviation 0.02; those that write into the
    running sum of the blocks with 0.02 / sqrt(2 n_layers), because there are that many of them.

    >>> model = Transformer(vocab=1000, d_model=64, n_heads=4)
    >>> model(np.array([[1, 2, 3]])).shape
    (1, 3, 1000)
    """

    @explains_arguments
    def __init__(
        self,
        vocab: int,
        d_model: int = 64,
        n_heads: int = 4,
        n_layers: int = 4,
        context: int = 256,
        dropout: float = 0.0,
        tied: bool = True,
        norm: Callable[[int], Module] = LayerNorm,
        rng: np.random.Generator | None = None,
    ) -> None:
        self.tokens = Embedding(vocab, d_model, rng=rng)
        self.positions = Embedding(context, d_model, rng=rng)
        self.dropout = Dropout(dropout, rng)
        self.blocks = [
            TransformerBlock(d_model, n_heads, dropout=dropout, norm=norm, rng=rng)
            for _ in range(n_layers)
        ]
        self.norm = norm(d_model)
        self.head = None if tied else Linear(d_model, vocab, bias=False, rng=rng)
        self.initialise(rng or default_generator())

    def initialise(self, rng: np.random.Generator) -> None:
        """Give every weight its initial value, as GPT-2's."""
        for name, parameter in self.named_parameters():
            if name.endswith("bias"):
                parameter.data[...] = 0
            elif "norm" not in name:
                writes = name.endswith("out.weight")  # into the sum that runs through the blocks
                deviation = 0.02 / math.sqrt(2 * len(self.blocks)) if writes else 0.02
                parameter.data[...] = rng.standard_normal(parameter.shape, np.float32) * deviation

    def forward(self, x: Any, y: Any = None, past: Sequence[Past] | None = None) -> Tensor:
        """Return the logits (B, T, vocab), or with targets `y` the mean loss over all positions.

        x, y  tokens: integers (B, T); y[:, i] is what should come after x[:, : i + 1]
        past  one for each block, if x continues what was read before: see
              `tinytorch.arch.attention.Past`

        Raises ShapeError for other shapes, and for a sequence longer than the context; ValueError
        for a past that is not this model's.
        """
        tokens = self.checked(x)
        start = self.length_of(past) if past else 0
        stop = start + tokens.shape[1]
        if stop > self.context:
            first = "no vector is left for a later position; empty the past, " if start else ""
            raise ShapeError(
                f"Transformer: {stop} tokens, but its context is {self.context}: {first}give it "
                f"the last {self.context}, or make it with context={stop} or more"
            )
        # (B, T) -> (B, T, d_model); (T, d_model) is added to each example
        h = self.dropout(self.tokens(tokens) + self.positions.weight[start:stop])
        for i, block in enumerate(self.blocks):
            h = block(h, is_causal=True, past=past[i] if past else None)
        logits = self.logits(self.norm(h))
        if y is None:
            return logits
        targets = self.checked(y)
        if targets.shape != tokens.shape:
            raise ShapeError(
                f"Transformer: x {tokens.shape} and y {targets.shape} differ: each position of x "
                "has one target, the token after it"
            )
        return cross_entropy(logits.reshape(-1, self.vocab), targets.reshape(-1))

    def length_of(self, past: Sequence[Past]) -> int:
        """How many positions `past` holds. Raises ValueError if it cannot be this model's."""
        owner = getattr(past, "model", self)  # a past may know whose it is
        lengths = [one.length for one in past]
        if owner is not self:
            raise ValueError(
                "Transformer: this past belongs to another model, whose keys and values mean "
                "nothing here: make one for this model"
            )
        if len({id(one) for one in past}) != len(self.blocks) or len(past) != len(self.blocks):
            raise ValueError(
                f"Transformer: {len(self.blocks)} blocks, each with a past of its own, but "
                f"{len({id(one) for one in past})} different ones in a list of {len(past)}"
            )
        if min(lengths) != max(lengths):
            raise ValueError(
                f"Transformer: the pasts of its blocks hold {lengths} positions: they were not "
                "filled together, or a pass was interrupted; empty them and read the text again"
            )
        return lengths[0]

    def logits(self, h: Tensor) -> Tensor:
        """How well each token fits: (B, T, d_model) -> (B, T, vocab)."""
        return linear(h, self.tokens.weight.T, None) if self.head is None else self.head(h)

    def checked(self, tokens: Any) -> Tensor:
        """Tokens as a tensor. Raises ShapeError unless they are (batch, positions)."""
        tensor = tokens if isinstance(tokens, Tensor) else Tensor(tokens)
        if tensor.ndim != 2 or not tensor.size:
            some = ", at least one" if tensor.ndim == 2 else ""
            raise ShapeError(
                f"Transformer: tokens are (batch, positions){some}, not {tensor.shape}"
                + ("; x[None] makes a batch of one" if tensor.ndim == 1 else "")
            )
        return tensor

    @property
    def vocab(self) -> int:
        """How many different tokens there are."""
        return self.tokens.weight.shape[0]

    @property
    def context(self) -> int:
        """The longest sequence that can be read."""
        return self.positions.weight.shape[0]

    @explains_arguments
    def generate(self, prompt: Any, n: int, **how: Any) -> Array:
        """Continue `prompt`, tokens (T,), by n tokens: integers (T + n,).

        how  temperature=1.0 (0 takes the likeliest token), top_k, top_p, seed, stop (the token
             after which nothing follows), past: see `tinytorch.arch.generation.stream`
        """
        return generate(self, prompt, n, **how)

    @explains_arguments
    def stream(self, prompt: Any, n: int, **how: Any) -> Iterator[int]:
        """The same, token by token, each as soon as it is drawn; `how` as for `generate`."""
        return stream(self, prompt, n, **how)

    def describe(self) -> str:
        return f"{self.num_parameters():,} parameters"


GPT = Transformer


# The fast forms attach themselves
from tinytorch.arch.kernels import layer_norm as _layer_norm  # noqa: E402, F401
from tinytorch.arch.kernels import rms_norm as _rms_norm  # noqa: E402, F401
