"""FLOPs of products against `torch.utils.flop_counter` of PyTorch 2.13, forward and backward."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from costs_helper import costs, flops, leaf
from hypothesis import given, settings
from hypothesis import strategies as st

from tinytorch.arch import models
from tinytorch.arch.convolutions import conv2d
from tinytorch.arch.transformers import Transformer
from tinytorch.core.ops import einsum
from tinytorch.core.primitive import primitives
from tinytorch.core.tensor import Tensor

pytestmark = pytest.mark.oracle


def counted_by_torch(program: Callable[[], Any]) -> int:
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as mode:
        program()
    return int(mode.get_total_flops())


SIZES = st.integers(1, 6)


@settings(max_examples=30, deadline=None)
@given(n=SIZES, k=SIZES, m=SIZES, batch=st.lists(SIZES, max_size=2))
def test_matmul_and_linear_cost_what_pytorch_counts(
    n: int, k: int, m: int, batch: list[int]
) -> None:
    import torch

    a, b = leaf(*batch, n, k), leaf(*batch, k, m)
    ta, tb = (torch.tensor(x.data, requires_grad=True) for x in (a, b))
    ours = costs(lambda: (a @ b).backward(np.ones((*batch, n, m))))
    out: list[Any] = []
    assert ours[0][2].flops == counted_by_torch(lambda: out.append(ta @ tb))
    assert ours[1][2].flops == counted_by_torch(lambda: out[0].backward(torch.ones(*batch, n, m)))
    w, bias = leaf(k, m), leaf(m)
    tw, tbias = torch.tensor(w.data.T, requires_grad=True), torch.tensor(bias.data)
    linear = primitives()["linear"]
    ours = costs(lambda: linear(a, w, bias).backward(np.ones((*batch, n, m))))
    assert ours[0][2].flops == counted_by_torch(
        lambda: out.append(torch.nn.functional.linear(ta, tw, tbias))
    )
    assert ours[1][2].flops == counted_by_torch(lambda: out[1].backward(torch.ones(*batch, n, m)))


@settings(max_examples=40, deadline=None)
@given(
    groups=st.sampled_from([1, 2, 4]),
    stride=st.integers(1, 2),
    padding=st.integers(0, 2),
    dilation=st.integers(1, 2),
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 3)),
)
def test_a_convolution_costs_what_pytorch_counts(
    groups: int, stride: int, padding: int, dilation: int, kernel: tuple[int, int]
) -> None:
    """But for the gradient of a grouped weight, of which PyTorch 2.13 counts `groups` times it."""
    import torch

    x, w = leaf(2, 4, 9, 8), leaf(8, 4 // groups, *kernel)
    tx, tw = (torch.tensor(t.data, requires_grad=True) for t in (x, w))
    how = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    y: list[Any] = []
    ours = costs(lambda: y.append(conv2d(x, w, None, **how)))
    ours += costs(lambda: y[0].backward(np.ones(y[0].shape)))
    forward = ours[0][2].flops
    assert forward == counted_by_torch(lambda: y.append(torch.conv2d(tx, tw, **how)))
    theirs = counted_by_torch(lambda: y[1].backward(torch.ones_like(y[1])))
    assert ours[1][2].flops == theirs - (groups - 1) * forward


def test_attention_costs_what_pytorchs_formulas_say() -> None:
    """PyTorch has no formula for its CPU kernel: those of its other fused kernels are asked."""
    from torch.utils.flop_counter import sdpa_backward_flop_count, sdpa_flop_count

    q, k, v = leaf(2, 3, 5, 8), leaf(2, 3, 7, 8), leaf(2, 3, 7, 6)
    attention = primitives()["scaled_dot_product_attention"]
    forward, back = costs(lambda: attention(q, k, v).backward(np.ones((2, 3, 5, 6))))
    assert forward[2].flops == sdpa_flop_count(q.shape, k.shape, v.shape)
    assert back[2].flops == sdpa_backward_flop_count((2, 3, 5, 6), q.shape, k.shape, v.shape)


def test_einsum_costs_what_pytorch_counts() -> None:
    import torch

    a, b = leaf(2, 3, 4), leaf(2, 5, 4)
    ta, tb = (torch.tensor(x.data, requires_grad=True) for x in (a, b))
    ours = costs(lambda: einsum("bik,bjk->bij", a, b).backward(np.ones((2, 3, 5))))
    out: list[Any] = []
    theirs = counted_by_torch(lambda: out.append(torch.einsum("bik,bjk->bij", ta, tb)))
    assert ours[0][2].flops == theirs
    back = counted_by_torch(lambda: out[0].backward(torch.ones(2, 3, 5)))
    assert ours[1][2].flops == back


def torch_lenet5() -> Any:
    from torch import nn

    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )  # fmt: skip


def torch_resnet8() -> Any:
    from torch import nn

    def conv(i: int, o: int, stride: int = 1) -> Any:
        return nn.Sequential(nn.Conv2d(i, o, 3, stride, 1), nn.BatchNorm2d(o))

    class Block(nn.Module):  # type: ignore[misc]
        def __init__(self, i: int, o: int, stride: int) -> None:
            super().__init__()
            self.body = nn.Sequential(conv(i, o, stride), nn.ReLU(), conv(o, o))
            self.skip = nn.Conv2d(i, o, 1, stride) if stride > 1 else nn.Identity()

        def forward(self, x: Any) -> Any:
            return (self.body(x) + self.skip(x)).relu()

    blocks = Block(16, 16, 1), Block(16, 32, 2), Block(32, 64, 2)
    pool = nn.AdaptiveAvgPool2d(1), nn.Flatten()
    return nn.Sequential(conv(3, 16), nn.ReLU(), *blocks, *pool, nn.Linear(64, 10))


@pytest.mark.parametrize(
    ("ours", "theirs", "shape"),
    [
        (models.LeNet5, torch_lenet5, (2, 1, 28, 28)),
        (models.ResNet8, torch_resnet8, (2, 3, 32, 32)),
    ],
)
def test_a_step_of_a_whole_network_costs_what_pytorch_counts(
    ours: Any, theirs: Any, shape: tuple[int, ...]
) -> None:
    import torch

    model, other = ours(), theirs()
    assert model.num_parameters() == sum(p.numel() for p in other.parameters())
    x = np.random.default_rng(0).standard_normal(shape, np.float32)
    y: list[Any] = []
    forward = flops(lambda: y.append(model(Tensor(x)).sum()), "forward")
    backward = flops(lambda: y[0].backward(), "backward")
    assert forward == counted_by_torch(lambda: y.append(other(torch.tensor(x)).sum()))
    assert backward == counted_by_torch(lambda: y[1].backward())


def test_a_step_of_a_gpt_costs_what_pytorch_counts() -> None:
    """PyTorch's composed attention keeps the scores; ours forms them again: one product more."""
    import torch
    from torch import nn
    from torch.nn.attention import SDPBackend, sdpa_kernel

    vocab, d, heads, layers, time = 20, 16, 2, 3, 12

    class Block(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.norm1, self.norm2 = nn.LayerNorm(d), nn.LayerNorm(d)
            self.q, self.k, self.v, self.out = (nn.Linear(d, d) for _ in range(4))
            self.up, self.down = nn.Linear(d, 4 * d), nn.Linear(4 * d, d)

        def forward(self, x: Any) -> Any:
            h = self.norm1(x)
            q, k, v = (
                f(h).view(*h.shape[:2], heads, -1).transpose(1, 2) for f in (self.q, self.k, self.v)
            )
            a = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.out(a.transpose(1, 2).reshape(h.shape))
            return x + self.down(nn.functional.gelu(self.up(self.norm2(x))))

    tokens, positions = nn.Embedding(vocab, d), nn.Embedding(time, d)
    blocks, norm = nn.Sequential(*[Block() for _ in range(layers)]), nn.LayerNorm(d)
    ids = torch.arange(2 * time).reshape(2, time) % vocab
    y: list[Any] = []

    def theirs() -> None:
        h = norm(blocks(tokens(ids) + positions.weight))
        logits = h @ tokens.weight.T
        y.append(nn.functional.cross_entropy(logits.flatten(0, 1), ids.flatten()))

    model = Transformer(vocab, d, heads, layers, context=time)
    x = ids.numpy()
    loss: list[Any] = []
    forward = flops(lambda: loss.append(model(x, x)), "forward")
    backward = flops(lambda: loss[0].backward(), "backward")
    with sdpa_kernel(SDPBackend.MATH):
        assert forward == counted_by_torch(theirs)
        again = layers * 2 * (2 * heads) * time * time * (d // heads)
        assert backward == counted_by_torch(lambda: y[0].backward()) + again
