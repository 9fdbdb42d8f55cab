"""What is timed of tinytorch-opt's memory: a GPT that writes with a cache of keys and values.

The GPT is that of `cases_arch_language.py`. PyTorch's cache is written plainly, and as well as it
can be: tensors for the whole context, filled in place.
"""

from typing import Any

from cases import Case, Step
from cases_arch_language import CONTEXT, D_MODEL, HEADS, LAYERS, VOCAB, _tokens, gpt_of_torch

NEW = 16


def cached_tinytorch(prompt_length: int, fused: bool = False) -> Step:
    from tinytorch.nn import Transformer
    from tinytorch.opt.fused_decoding import fused_for_writing
    from tinytorch.opt.memoization import caches_for

    model = Transformer(VOCAB, D_MODEL, HEADS, LAYERS, CONTEXT)
    if fused:
        model = fused_for_writing(model)
    prompt = _tokens(1, prompt_length)[0]

    def step() -> None:
        model.generate(prompt, NEW, temperature=0, past=caches_for(model))

    return step


def cached_torch(prompt_length: int) -> Step:
    import torch
    from torch.nn import functional as F  # noqa: N812

    model: Any = gpt_of_torch().eval()
    prompt = torch.tensor(_tokens(1, prompt_length))

    def read(tokens: Any, caches: list[Any], start: int) -> Any:
        length = tokens.shape[1]
        stop = start + length
        h = model.tokens(tokens) + model.positions.weight[start:stop]
        for block, (keys, values) in zip(model.blocks, caches, strict=True):
            packed = block.qkv(block.norm1(h)).split(D_MODEL, dim=2)
            q, k, v = (p.view(1, length, HEADS, -1).transpose(1, 2) for p in packed)
            keys[:, :, start:stop], values[:, :, start:stop] = k, v
            mixed = F.scaled_dot_product_attention(
                q, keys[:, :, :stop], values[:, :, :stop], is_causal=length > 1
            )
            h = h + block.out(mixed.transpose(1, 2).reshape(1, length, D_MODEL))
            h = h + block.down(F.gelu(block.up(block.norm2(h)), approximate="tanh"))
        return model.norm(h) @ model.tokens.weight.T

    @torch.no_grad()
    def step() -> None:
        shape = 1, HEADS, CONTEXT, D_MODEL // HEADS
        caches = [(torch.empty(shape), torch.empty(shape)) for _ in range(LAYERS)]
        tokens = new = prompt
        start = 0
        for _ in range(NEW):
            logits = read(new, caches, start)
            start += new.shape[1]
            new = logits[:, -1].argmax(dim=-1, keepdim=True)
            tokens = torch.cat((tokens, new), dim=1)

    return step


CASES = [
    Case(
        "gpt decode with cache",
        "16 tokens after 64",
        lambda: cached_tinytorch(64),
        lambda: cached_torch(64),
        (0.45, 0.5),
    ),
    Case(
        "gpt decode with cache, fused blocks",
        "16 tokens after 64",
        lambda: cached_tinytorch(64, fused=True),
        lambda: cached_torch(64),
    ),
    Case(
        "gpt decode with cache, from one token",
        "16 tokens after 1: hardly a prompt to read",
        lambda: cached_tinytorch(1),
        lambda: cached_torch(1),
    ),
    Case(
        "gpt decode with cache, from one token, fused blocks",
        "16 tokens after 1",
        lambda: cached_tinytorch(1, fused=True),
        lambda: cached_torch(1),
    ),
]
