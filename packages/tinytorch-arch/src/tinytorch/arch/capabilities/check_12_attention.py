"""Checkpoint 12: attention routes. Each position takes what it needs from any other.

Left out: how fast and in how little memory (`kernels/attention.py`), and the block (checkpoint 13).
"""

import numpy as np

from tinytorch import Tensor, no_grad
from tinytorch.arch.attention import (
    MultiHeadAttention,
    attention_weights,
    causal_mask,
    scaled_dot_product_attention,
)
from tinytorch.arch.embeddings import Embedding
from tinytorch.core.layers import Linear
from tinytorch.core.losses import CrossEntropyLoss
from tinytorch.core.optimizers import Adam
from tinytorch.course.checking import exercise, same


def noise(*shape: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@exercise("12")
def check_answers_are_values_in_shares_of_a_softmax() -> None:
    q, k, v = noise(2, 3, 4, 8, seed=0), noise(2, 3, 6, 8, seed=1), noise(2, 3, 6, 5, seed=2)
    e = np.exp(q.astype(np.float64) @ k.swapaxes(-1, -2) / np.sqrt(8))
    shares = e / e.sum(axis=-1, keepdims=True)
    same(
        attention_weights(q, k), shares, call="attention_weights(q, k)", why="a softmax", rtol=1e-4
    )
    got = scaled_dot_product_attention(q, k, v)
    same(got, shares @ v, call="scaled_dot_product_attention(q, k, v)", rtol=1e-4, atol=1e-5)


@exercise("12")
def check_a_question_that_fits_one_key_gets_its_value() -> None:
    keys, values = np.eye(8, dtype=np.float32), noise(8, 3, seed=3)
    asked = np.array([5, 0, 5, 7])
    got = scaled_dot_product_attention(100 * keys[asked], keys, values)
    same(got, values[asked], call="attention with keys of their own", why="a dictionary, looked up")


@exercise("12")
def check_the_order_of_keys_does_not_matter_with_their_values() -> None:
    q, k, v = noise(1, 1, 3, 4, seed=4), noise(1, 1, 7, 4, seed=5), noise(1, 1, 7, 4, seed=6)
    order = np.random.default_rng(7).permutation(7)
    one = scaled_dot_product_attention(q, k, v)
    other = scaled_dot_product_attention(q, k[:, :, order], v[:, :, order])
    same(other, one, call="attention with shuffled keys and values", rtol=1e-4, atol=1e-5)


@exercise("12")
def check_nothing_later_is_seen() -> None:
    layer = MultiHeadAttention(8, 2, rng=np.random.default_rng(8))
    x = noise(1, 6, 8, seed=9)
    changed = x.copy()
    changed[:, 4:] += 10
    before, after = (layer(Tensor(t), is_causal=True).data for t in (x, changed))
    same(after[:, :4], before[:, :4], call="the first 4 positions", why="only later ones changed")
    assert np.abs(after[:, 4:] - before[:, 4:]).max() > 0.1, "and those did change"
    masked = layer(Tensor(x), mask=causal_mask(6, 6))
    same(
        masked, before, call="with causal_mask", why="is_causal says the same", rtol=1e-4, atol=1e-5
    )


@exercise("12")
def check_what_is_masked_has_no_share_and_no_gradient() -> None:
    q, k, v = (Tensor(noise(1, 1, 4, 4, seed=i), requires_grad=True) for i in (10, 11, 12))
    mask = np.ones((4, 4), bool)
    mask[:, 2] = False  # nobody looks at position 2
    mask[3] = False  # and position 3 nowhere
    out = scaled_dot_product_attention(q, k, v, mask)
    same(out.data[0, 0, 3], np.zeros(4), call="a query that may attend nowhere", why="nothing")
    (out * Tensor(noise(1, 1, 4, 4, seed=13))).sum().backward()
    for name, leaf, place in (("k", k, 2), ("v", v, 2), ("q", q, 3)):
        assert leaf.grad is not None, f"{name} received no gradient"
        same(leaf.grad[0, 0, place], np.zeros(4), call=f"the gradient of {name}[{place}]")
        assert np.abs(leaf.grad).max() > 1e-3, f"the gradient of {name} is zero everywhere"


@exercise("12")
def check_several_heads_have_the_gradient_that_differences_show() -> None:
    layer = MultiHeadAttention(6, 3, rng=np.random.default_rng(14))
    for projection in layer.children().values():  # in float64, which float32 parameters refuse
        for name, parameter in projection.own_tensors().items():
            setattr(projection, name, Tensor(parameter.data, np.float64, requires_grad=True))
    x = Tensor(noise(2, 4, 6, seed=15), np.float64, requires_grad=True)

    def loss() -> Tensor:
        return (layer(x, is_causal=True) ** 2).sum()

    loss().backward()
    for name, leaf in (("x", x), *layer.named_parameters()):
        if name == "key.bias":
            continue  # it moves all scores of a query alike, so its gradient is 0 but for rounding
        assert leaf.grad is not None, f"{name} received no gradient"
        index = tuple(size // 2 for size in leaf.shape)
        values, middle = [], leaf.data[index]
        for step in (1e-6, -1e-6):
            leaf.data[index] = middle + step
            values.append(loss().item())
        leaf.data[index] = middle
        numeric = (values[0] - values[1]) / 2e-6
        same(leaf.grad[index], numeric, call=f"the gradient of {name}", rtol=1e-3, atol=1e-6)


@exercise("12")
def check_a_head_learns_where_to_look() -> None:
    rng = np.random.default_rng(16)
    letters, places = Embedding(5, 16, rng=rng), Embedding(6, 16, rng=rng)
    layer, head = MultiHeadAttention(16, 1, rng=rng), Linear(16, 5, rng=rng)
    parts = (letters, places, layer, head)
    optimizer = Adam([p for part in parts for p in part.parameters()], lr=1e-2)

    def read(x: np.ndarray) -> Tensor:
        return head(layer(letters(Tensor(x)) + places.weight))

    for _ in range(250):  # each place must name the letter at the mirrored one
        x = rng.integers(0, 5, (32, 6))
        optimizer.zero_grad()
        loss = CrossEntropyLoss()(read(x).reshape(-1, 5), Tensor(x[:, ::-1].reshape(-1)))
        loss.backward()
        optimizer.step()
    x = rng.integers(0, 5, (200, 6))
    with no_grad():
        right = (read(x).data.argmax(axis=-1) == x[:, ::-1]).mean()
    assert right >= 0.98, (
        f"{right:.1%} of the letters were found at the mirrored place; wanted 98 %"
    )
