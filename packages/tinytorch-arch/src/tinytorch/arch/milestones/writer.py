"""A GPT and the characters it writes with, in one file: what later milestones take from 2017.

The weights are safetensors, by the names of `Transformer.state_dict`; sizes and characters stand in
the metadata, as JSON. Left out: training, and where a training stood (`Stage.checkpoints`).
"""

from __future__ import annotations

import json
from pathlib import Path

from tinytorch.arch.tokenization import CharTokenizer
from tinytorch.arch.transformers import Transformer
from tinytorch.core.files import AnyPath
from tinytorch.core.serialization import read, save

FORMAT = "tinytorch-character-gpt-1"


def save_writer(
    model: Transformer, tokenizer: CharTokenizer, path: AnyPath, command: str = ""
) -> None:
    """Write model and characters to `path`, and the command that made them."""
    sizes = {
        "d_model": model.tokens.weight.shape[1],
        "n_heads": model.blocks[0].attention.n_heads,
        "n_layers": len(model.blocks),
        "context": model.context,
    }
    texts = {
        "format": FORMAT,
        "sizes": json.dumps(sizes),
        "characters": json.dumps("".join(tokenizer.characters)),
        "command": command,
    }
    save(model.state_dict(), path, texts)


def load_writer(path: AnyPath) -> tuple[Transformer, CharTokenizer]:
    """Read what `save_writer` wrote. Raises ValueError for another file, or a damaged one."""
    tensors, texts = read(path)
    if texts.get("format") != FORMAT:
        raise ValueError(
            f"{Path(path)} holds tensors, but no character GPT of this version (its format is "
            f"{texts.get('format', 'not named')}, not {FORMAT}). tito milestone run 2017 --out DIR "
            "writes one"
        )
    tokenizer = CharTokenizer(json.loads(texts["characters"]))
    model = Transformer(tokenizer.vocab_size, **json.loads(texts["sizes"]))
    model.load_state_dict(tensors)
    return model, tokenizer
