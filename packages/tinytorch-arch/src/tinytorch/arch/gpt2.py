"""GPT-2's published weights in a `Transformer`: which of its names is which of ours.

The file is `model.safetensors` as published for "gpt2", "gpt2-medium" and the like. Its linear
layers lie (in, out) as ours do; queries, keys and values are one matrix there and three here.
Left out: fetching the file, and GPT-2's tokens (`gpt2_tokens.py`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from tinytorch.arch.transformers import Transformer
from tinytorch.core.files import AnyPath
from tinytorch.core.primitive import Array
from tinytorch.core.serialization import read

WHOLE = {"wte": "tokens", "wpe": "positions", "ln_f": "norm"}
IN_BLOCK = {
    "ln_1": "norm1",
    "attn.c_proj": "attention.out",
    "ln_2": "norm2",
    "mlp.c_fc": "mlp.hidden",
    "mlp.c_proj": "mlp.out",
}
PACKED = "attn.c_attn"
PARTS = ("query", "key", "value")
FEATURES_OF_A_HEAD = 64  # in every size that was published


def load_gpt2(path: AnyPath, n_heads: int | None = None) -> Transformer:
    """Return the model whose weights are in the safetensors file `path`.

    n_heads  the only size that the weights do not tell; None means d_model / 64

    Raises ValueError for a file that is damaged, or holds something else.
    """
    tensors, _ = read(path)
    return from_gpt2(tensors, n_heads)


def from_gpt2(tensors: Mapping[str, Array], n_heads: int | None = None) -> Transformer:
    """The same for weights that are in memory already, by GPT-2's names."""
    state = renamed(tensors)
    if not {"tokens.weight", "positions.weight"} <= state.keys():
        some = ", ".join(sorted(tensors)[:5])
        raise ValueError(f"this is no GPT-2: there is no wte.weight, wpe.weight; there is {some}")
    vocab, d_model = state["tokens.weight"].shape
    numbers = [int(name.split(".")[1]) for name in state if name.startswith("blocks.")]
    model = Transformer(
        vocab,
        d_model,
        n_heads or max(1, d_model // FEATURES_OF_A_HEAD),
        n_layers=max(numbers, default=-1) + 1,
        context=state["positions.weight"].shape[0],
    )
    model.load_state_dict(state)
    return model


def renamed(tensors: Mapping[str, Array]) -> dict[str, Array]:
    """Weights by our names. Names that GPT-2 does not have stay, and are refused later."""
    state: dict[str, Array] = {}
    for full, array in tensors.items():
        name = full.removeprefix("transformer.")  # some files have it before each name
        if re.fullmatch(r"h\.\d+\.attn\.(bias|masked_bias)", name) or name == "lm_head.weight":
            continue  # the causal mask, and the token embeddings once more
        layer, _, kind = name.rpartition(".")
        block = re.fullmatch(r"h\.(\d+)\.(.+)", layer)
        if block is None:
            state[f"{WHOLE.get(layer, layer)}.{kind}"] = array
        elif block[2] == PACKED:
            for part, piece in zip(PARTS, np.split(array, 3, axis=-1), strict=True):
                state[f"blocks.{block[1]}.attention.{part}.{kind}"] = piece
        else:
            state[f"blocks.{block[1]}.{IN_BLOCK.get(block[2], block[2])}.{kind}"] = array
    return state
