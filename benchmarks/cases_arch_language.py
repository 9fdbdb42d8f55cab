"""What is timed of tinytorch-arch: attention, normalisation, and a GPT that trains and writes.

The GPT is the one of DESIGN's table: 4 layers, 128 features, 4 heads, 128 positions, a batch of 16,
65 tokens. PyTorch's is written as its users write it: queries, keys and values from one layer,
`scaled_dot_product_attention`, tied weights.
"""

from typing import Any

import numpy as np
from cases import Case, Step, keeping

VOCAB, D_MODEL, HEADS, LAYERS, CONTEXT = 65, 128, 4, 4, 128


def _random(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape, dtype=np.float32)


def _tokens(batch: int, length: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, VOCAB, (batch, length))


def gpt_of_torch() -> Any:
    import torch
    from torch import nn
    from torch.nn import functional as F  # noqa: N812

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm1, self.norm2 = nn.LayerNorm(D_MODEL), nn.LayerNorm(D_MODEL)
            self.qkv, self.out = nn.Linear(D_MODEL, 3 * D_MODEL), nn.Linear(D_MODEL, D_MODEL)
            self.up, self.down = nn.Linear(D_MODEL, 4 * D_MODEL), nn.Linear(4 * D_MODEL, D_MODEL)

        def forward(self, x: Any) -> Any:
            batch, length, _ = x.shape
            packed = self.qkv(self.norm1(x)).split(D_MODEL, dim=2)
            q, k, v = (p.view(batch, length, HEADS, -1).transpose(1, 2) for p in packed)
            mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.out(mixed.transpose(1, 2).reshape(batch, length, D_MODEL))
            return x + self.down(F.gelu(self.up(self.norm2(x)), approximate="tanh"))

    class GPT(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.tokens = nn.Embedding(VOCAB, D_MODEL)
            self.positions = nn.Embedding(CONTEXT, D_MODEL)
            self.blocks = nn.ModuleList(Block() for _ in range(LAYERS))
            self.norm = nn.LayerNorm(D_MODEL)
            for parameter in self.parameters():
                if parameter.ndim == 2:
                    nn.init.normal_(parameter, 0, 0.02)

        def forward(self, x: Any, y: Any = None) -> Any:
            h = self.tokens(x) + self.positions.weight[: x.shape[1]]
            for block in self.blocks:
                h = block(h)
            logits = self.norm(h) @ self.tokens.weight.T
            return logits if y is None else F.cross_entropy(logits.view(-1, VOCAB), y.view(-1))

    torch.manual_seed(0)
    return GPT()


# One training step: forward, cross-entropy, backward, AdamW
def step_tinytorch(batch: int) -> Step:
    from tinytorch import Tensor
    from tinytorch.nn import Transformer
    from tinytorch.optim import AdamW

    model = Transformer(VOCAB, D_MODEL, HEADS, LAYERS, CONTEXT)
    optimizer = AdamW(model.parameters(), lr=1e-3)
    x, y = Tensor(_tokens(batch, CONTEXT)), Tensor(_tokens(batch, CONTEXT))

    def step() -> None:
        optimizer.zero_grad()
        model(x, y).backward()
        optimizer.step()

    return step


def step_torch(batch: int, fused: bool | None = None) -> Step:
    import torch

    model = gpt_of_torch()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=fused)
    x, y = torch.tensor(_tokens(batch, CONTEXT)), torch.tensor(_tokens(batch, CONTEXT))

    def step() -> None:
        optimizer.zero_grad()
        model(x, y).backward()
        optimizer.step()

    return step


# Writing: 16 tokens after a prompt of half the context, greedily, all of it read for each of them
def decode_tinytorch() -> Step:
    from tinytorch.arch.generation import generate
    from tinytorch.nn import Transformer

    model = Transformer(VOCAB, D_MODEL, HEADS, LAYERS, CONTEXT)
    prompt = _tokens(1, CONTEXT // 2)[0]

    def step() -> None:
        generate(model, prompt, 16, temperature=0)

    return step


def decode_torch() -> Step:
    import torch

    model = gpt_of_torch().eval()
    prompt = torch.tensor(_tokens(1, CONTEXT // 2))

    @torch.no_grad()
    def step() -> None:
        tokens = prompt
        for _ in range(16):
            token = model(tokens[:, -CONTEXT:])[:, -1].argmax(dim=-1, keepdim=True)
            tokens = torch.cat((tokens, token), dim=1)

    return step


# Layer norm over 64 * 128 rows of 512
def layer_norm_tinytorch(backward: bool) -> Step:
    from tinytorch import Tensor
    from tinytorch.nn import LayerNorm

    layer = LayerNorm(512)
    x = Tensor(_random(64 * 128, 512), requires_grad=backward)
    g = _random(64 * 128, 512)
    layer.requires_grad_(backward)

    def forward() -> None:
        layer(x)

    def both() -> None:
        layer(x).backward(g)
        x.grad = layer.weight.grad = layer.bias.grad = None

    return both if backward else forward


def layer_norm_torch(backward: bool) -> Step:
    import torch

    layer = torch.nn.LayerNorm(512)
    x = torch.tensor(_random(64 * 128, 512), requires_grad=backward)
    g = torch.tensor(_random(64 * 128, 512))
    layer.requires_grad_(backward)

    def forward() -> None:
        layer(x)

    def both() -> None:
        layer(x).backward(g)
        x.grad = layer.weight.grad = layer.bias.grad = None

    return both if backward else forward


# Causal attention, forward and backward, heads as a model deals them out
def attention_tinytorch(batch: int, length: int, heads: int, features: int) -> Step:
    from tinytorch import Tensor
    from tinytorch.nn import scaled_dot_product_attention

    dealt = [_random(batch, length, heads, features) for _ in range(4)]
    leaves = [Tensor(x, requires_grad=True) for x in dealt[:3]]
    g = dealt[3].swapaxes(1, 2)

    def step() -> None:
        q, k, v = (x.transpose(1, 2) for x in leaves)
        scaled_dot_product_attention(q, k, v, is_causal=True).backward(g)
        for x in leaves:
            x.grad = None

    return step


def attention_torch(batch: int, length: int, heads: int, features: int) -> Step:
    import torch

    dealt = [torch.tensor(_random(batch, length, heads, features)) for _ in range(4)]
    leaves = [x.requires_grad_() for x in dealt[:3]]
    g = dealt[3].transpose(1, 2)

    def step() -> None:
        q, k, v = (x.transpose(1, 2) for x in leaves)
        attention = torch.nn.functional.scaled_dot_product_attention
        attention(q, k, v, is_causal=True).backward(g)
        for x in leaves:
            x.grad = None

    return step


# Rows of a matrix for each of 2,048 tokens, and their gradient
def embedding_tinytorch() -> Step:
    from tinytorch import Tensor
    from tinytorch.nn import Embedding

    layer, tokens = Embedding(VOCAB, D_MODEL), Tensor(_tokens(16, CONTEXT))
    g = _random(16, CONTEXT, D_MODEL)

    def both() -> None:
        layer(tokens).backward(g)
        layer.weight.grad = None

    return both


def embedding_torch() -> Step:
    import torch

    layer, tokens = torch.nn.Embedding(VOCAB, D_MODEL), torch.tensor(_tokens(16, CONTEXT))
    g = torch.tensor(_random(16, CONTEXT, D_MODEL))

    def both() -> None:
        layer(tokens).backward(g)
        layer.weight.grad = None

    return both


def _attention(what: str, *sizes: int) -> Case:
    return Case(
        f"attention, {what}",
        "(batch, length, heads, features) " + str(sizes),
        lambda: attention_tinytorch(*sizes),
        lambda: attention_torch(*sizes),
    )


CASES = [
    Case(
        "gpt step, batch 16",
        "4 layers, d 128, T 128, AdamW",
        lambda: step_tinytorch(16),
        lambda: step_torch(16),
        (1.05, 1.1),
    ),
    Case(
        "gpt step, batch 16, fused",
        "PyTorch with fused=True",
        lambda: step_tinytorch(16),
        lambda: step_torch(16, fused=True),
    ),
    Case(
        "gpt step, batch 16, freed memory kept",
        "by both: tinytorch.core.memory",
        keeping(lambda: step_tinytorch(16)),
        keeping(lambda: step_torch(16)),
    ),
    Case(
        "gpt decode, no cache",
        "16 tokens after 64",
        decode_tinytorch,
        decode_torch,
        (1.0, 1.3),
    ),
    Case(
        "layer norm forward",
        "8192 x 512",
        lambda: layer_norm_tinytorch(False),
        lambda: layer_norm_torch(False),
        (3.0, 5.0),
    ),
    Case(
        "layer norm forward and backward",
        "8192 x 512",
        lambda: layer_norm_tinytorch(True),
        lambda: layer_norm_torch(True),
    ),
    Case(
        "embedding forward and backward",
        "2,048 tokens of 65, 128 features",
        embedding_tinytorch,
        embedding_torch,
    ),
    _attention("a batch of short texts", 16, 128, 4, 32),
    _attention("a long text", 1, 1024, 12, 64),
]
