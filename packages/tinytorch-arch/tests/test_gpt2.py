"""GPT-2's published layout: its names and shapes, and what a model of it computes.

The checkpoint here is small and random, in the layout of "gpt2" as published: linear weights
(in, out), queries, keys and values in one matrix, and the causal mask stored beside them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinytorch import Tensor
from tinytorch.arch.gpt2 import from_gpt2, load_gpt2
from tinytorch.core.serialization import save

VOCAB, CONTEXT, D, HEADS, LAYERS = 13, 8, 12, 3, 2


def checkpoint(d: int = D) -> dict[str, np.ndarray]:
    """Numbers that anybody can write down: sin(i * i) / 2, counted on from name to name."""
    shapes: dict[str, tuple[int, ...]] = {"wte.weight": (VOCAB, d), "wpe.weight": (CONTEXT, d)}
    for i in range(LAYERS):
        shapes |= {
            f"h.{i}.ln_1.weight": (d,),
            f"h.{i}.ln_1.bias": (d,),
            f"h.{i}.attn.bias": (1, 1, CONTEXT, CONTEXT),
            f"h.{i}.attn.c_attn.weight": (d, 3 * d),
            f"h.{i}.attn.c_attn.bias": (3 * d,),
            f"h.{i}.attn.c_proj.weight": (d, d),
            f"h.{i}.attn.c_proj.bias": (d,),
            f"h.{i}.ln_2.weight": (d,),
            f"h.{i}.ln_2.bias": (d,),
            f"h.{i}.mlp.c_fc.weight": (d, 4 * d),
            f"h.{i}.mlp.c_fc.bias": (4 * d,),
            f"h.{i}.mlp.c_proj.weight": (4 * d, d),
            f"h.{i}.mlp.c_proj.bias": (d,),
        }
    shapes |= {"ln_f.weight": (d,), "ln_f.bias": (d,)}
    tensors, begin = {}, 0
    for name, shape in shapes.items():
        size = int(np.prod(shape))
        numbers = np.sin(np.arange(begin, begin + size, dtype=np.float64) ** 2) / 2
        tensors[name] = numbers.reshape(shape).astype(np.float32)
        begin += size
    return tensors


TOKENS = np.array([[3, 1, 4, 1, 5, 9, 2, 6], [5, 3, 5, 8, 9, 7, 9, 3]])


def torch_forward(weights: dict[str, Any], tokens: Any) -> Any:
    """GPT-2, written out in PyTorch from the names in the file: logits."""
    import torch
    from torch.nn import functional as F  # noqa: N812

    def norm(name: str, h: Any) -> Any:
        return F.layer_norm(h, (D,), weights[f"{name}.weight"], weights[f"{name}.bias"], 1e-5)

    def conv1d(name: str, h: Any) -> Any:
        return h @ weights[f"{name}.weight"] + weights[f"{name}.bias"]

    batch, length = tokens.shape
    later = torch.ones(length, length, dtype=torch.bool).triu(1)
    h = weights["wte.weight"][tokens] + weights["wpe.weight"][:length]
    for i in range(LAYERS):
        packed = conv1d(f"h.{i}.attn.c_attn", norm(f"h.{i}.ln_1", h)).split(D, dim=2)
        q, k, v = (x.view(batch, length, HEADS, D // HEADS).transpose(1, 2) for x in packed)
        scores = (q @ k.transpose(-1, -2) / (D // HEADS) ** 0.5).masked_fill(later, -torch.inf)
        mixed = (scores.softmax(-1) @ v).transpose(1, 2).reshape(batch, length, D)
        h = h + conv1d(f"h.{i}.attn.c_proj", mixed)
        inside = F.gelu(conv1d(f"h.{i}.mlp.c_fc", norm(f"h.{i}.ln_2", h)), approximate="tanh")
        h = h + conv1d(f"h.{i}.mlp.c_proj", inside)
    return norm("ln_f", h) @ weights["wte.weight"].T


@pytest.mark.oracle
def test_a_published_checkpoint_computes_what_it_computes_in_pytorch(tmp_path: Path) -> None:
    """Logits, the loss, and the gradient of every weight, by GPT-2's names."""
    import torch
    from torch.nn import functional as F  # noqa: N812

    tensors = checkpoint()
    save(tensors, tmp_path / "model.safetensors")
    model = load_gpt2(tmp_path / "model.safetensors", n_heads=HEADS)
    weights = {name: torch.tensor(x, requires_grad=True) for name, x in tensors.items()}
    expected = torch_forward(weights, torch.tensor(TOKENS))
    np.testing.assert_allclose(model(TOKENS).data, expected.detach().numpy(), 1e-4, 1e-5)

    targets = np.roll(TOKENS, -1, axis=1)
    loss = model(TOKENS, targets)
    wanted = F.cross_entropy(expected.reshape(-1, VOCAB), torch.tensor(targets).reshape(-1))
    assert loss.item() == pytest.approx(wanted.item(), rel=1e-5)
    loss.backward()
    wanted.backward()
    theirs = {n: w.grad.numpy() for n, w in weights.items() if w.grad is not None}
    renamed = dict(from_gpt2(theirs, HEADS).named_parameters())  # gradients have the same layout
    for name, parameter in model.named_parameters():
        np.testing.assert_allclose(parameter.grad, renamed[name].data, 1e-3, 1e-6, err_msg=name)


def test_a_checkpoint_computes_what_was_written_down() -> None:
    """From PyTorch 2.13: `torch_forward` of `checkpoint()`, float32."""
    logits = from_gpt2(checkpoint(), HEADS)(TOKENS).data
    for (row, place), wanted in WRITTEN.items():
        np.testing.assert_allclose(logits[row, place, :5], wanted, 1e-4, 1e-5)


WRITTEN = {
    (0, 0): [1.16613, -0.35127, 0.424685, -0.547053, 0.776286],
    (0, 7): [0.959116, -0.292339, 1.28065, 0.0557544, 1.37009],
    (1, 3): [0.55675, 0.182224, 1.40783, -0.0212037, 1.2413],
}


def test_sizes_are_read_off_the_weights() -> None:
    model = from_gpt2(checkpoint(), HEADS)
    assert (model.vocab, model.context, len(model.blocks)) == (VOCAB, CONTEXT, LAYERS)
    assert model.blocks[0].attention.n_heads == HEADS
    assert from_gpt2(checkpoint(128)).blocks[0].attention.n_heads == 2  # as published: 64 features
    kept = sum(x.size for name, x in checkpoint().items() if not name.endswith(".attn.bias"))
    assert model.num_parameters() == kept


def test_it_writes() -> None:
    model = from_gpt2(checkpoint(), HEADS)
    assert model.generate([1, 2], 5, seed=0).shape == (7,)
    assert isinstance(model(TOKENS), Tensor)


def test_names_with_a_prefix_and_a_stored_head_are_understood() -> None:
    tensors = {f"transformer.{name}": x for name, x in checkpoint().items()}
    tensors["lm_head.weight"] = tensors["transformer.wte.weight"]
    np.testing.assert_array_equal(
        from_gpt2(tensors, HEADS)(TOKENS).data, from_gpt2(checkpoint(), HEADS)(TOKENS).data
    )


def test_what_is_missing_or_unknown_is_named() -> None:
    tensors = checkpoint()
    del tensors["h.1.mlp.c_fc.bias"]
    with pytest.raises(ValueError, match=r"blocks.1.mlp.hidden.bias: missing"):
        from_gpt2(tensors, HEADS)
    with pytest.raises(ValueError, match=r"rotary.weight: unexpected"):
        from_gpt2(checkpoint() | {"rotary.weight": np.ones(2, np.float32)}, HEADS)
    with pytest.raises(ValueError, match=r"blocks.0.attn.extra.weight: unexpected"):
        from_gpt2(checkpoint() | {"h.0.attn.extra.weight": np.ones(2, np.float32)}, HEADS)
    with pytest.raises(ValueError, match=r"this is no GPT-2: .* there is conv1.weight"):
        from_gpt2({"conv1.weight": np.ones((2, 2), np.float32)})
