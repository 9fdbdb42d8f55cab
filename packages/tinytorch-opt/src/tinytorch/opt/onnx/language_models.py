"""A GPT as a file that remembers: keys and values of what was read go in, and come out longer.

    export_with_cache(model, "gpt.onnx")

The file reads only new tokens, so that whoever generates with it computes each position once:
feed `past_key_0` ... as empty arrays first, then what came out as `present_key_0` ...
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from onnx import ModelProto

from tinytorch.arch.transformers import Transformer
from tinytorch.core.files import AnyPath
from tinytorch.core.ops import concatenate
from tinytorch.core.tensor import Tensor
from tinytorch.opt.onnx.exporting import LOWEST, export
from tinytorch.opt.onnx.writer import Activations


class Joined:
    """A `Past` whose keys and values are tensors: new ones are appended to them."""

    def __init__(self, keys: Tensor, values: Tensor) -> None:
        self.keys = keys  # (B, heads, past, features)
        self.values = values

    @property
    def length(self) -> int:
        return self.keys.shape[2]

    def extend(self, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        self.keys = concatenate([self.keys, k], axis=2)
        self.values = concatenate([self.values, v], axis=2)
        return self.keys, self.values


def export_with_cache(
    model: Transformer,
    path: AnyPath | None = None,
    *,
    opset: int = LOWEST,
    activations: Activations = "uint8",
    metadata: Mapping[str, Any] | None = None,
) -> ModelProto:
    """Write a transformer with its cache as inputs and outputs; see `export`.

    Inputs: `tokens` (batch, sequence) int64, and for each block i `past_key_i`, `past_value_i`
    (batch, heads, past, features). Outputs: `logits` (batch, sequence, vocab), and `present_key_i`,
    `present_value_i` (batch, heads, past + sequence, features). Past and sequence together must fit
    the context. Raises TypeError for what is no transformer.
    """
    if not isinstance(model, Transformer):
        raise TypeError(
            f"{type(model).__name__} is no Transformer, so there are no keys and values to keep: "
            "export(model, example, ...) writes a model without a cache"
        )
    blocks = len(model.blocks)
    heads = model.blocks[0].attention.n_heads
    features = model.tokens.weight.shape[1] // heads
    rng = np.random.default_rng(0)

    def forward(tokens: Tensor, *past: Tensor) -> tuple[Tensor, ...]:
        caches = [Joined(*past[2 * i : 2 * i + 2]) for i in range(blocks)]
        logits = model(tokens, past=caches)
        return (logits, *[x for cache in caches for x in (cache.keys, cache.values)])

    tokens = rng.integers(0, model.vocab, (2, 2))
    past = [
        rng.standard_normal((2, heads, 3, features)).astype(np.float32) for _ in range(2 * blocks)
    ]
    caches = [f"{what}_{i}" for i in range(blocks) for what in ("key", "value")]
    return export(
        model,
        (tokens, *past),
        path,
        forward=forward,
        input_names=["tokens", *[f"past_{name}" for name in caches]],
        output_names=["logits", *[f"present_{name}" for name in caches]],
        axes={
            "tokens": {0: "batch", 1: "sequence"},
            **{f"past_{name}": {0: "batch", 2: "past"} for name in caches},
        },
        opset=opset,
        activations=activations,
        metadata=metadata,
    )
