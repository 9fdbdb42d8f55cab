"""Reversal: the first part of 2017, a task that one look at the right place solves.

The digit that belongs at place i stands at place n - 1 - i. No sum over neighbours finds it, and a
network that reads from left to right must remember everything; attention only has to look there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tinytorch import Tensor, no_grad
from tinytorch.core.milestones.frame import Stage
from tinytorch.core.primitive import Array
from tinytorch.nn import CrossEntropyLoss, Embedding, LayerNorm, Linear, Module, TransformerBlock
from tinytorch.optim import Adam

DIGITS = 10
SHADES = " ·░▒▓█"


@dataclass(frozen=True)
class Reversal:
    """The task and its training."""

    length: int = 12  # digits of a sequence
    d_model: int = 32
    steps: int = 400
    batch: int = 128
    lr: float = 5e-3
    tests: int = 1000  # sequences to judge by, drawn anew


class Reverser(Module):
    """Digits and places in, one transformer block, a digit for each place out."""

    def __init__(self, task: Reversal, rng: np.random.Generator) -> None:
        self.digits = Embedding(DIGITS, task.d_model, rng=rng)
        self.places = Embedding(task.length, task.d_model, rng=rng)
        self.block = TransformerBlock(task.d_model, n_heads=1, rng=rng)
        self.norm = LayerNorm(task.d_model)
        self.head = Linear(task.d_model, DIGITS, rng=rng)

    def forward(self, x: Tensor) -> Tensor:
        """x (B, length) -> logits (B, length, 10). Every place may look at every other."""
        return self.head(self.norm(self.block(self.read(x))))

    def read(self, x: Tensor) -> Tensor:
        """What the block sees: (B, length, d_model)."""
        return self.digits(x) + self.places.weight

    def looks_at(self, x: Tensor) -> Array:
        """The attention map, its mean over the examples: (length, length)."""
        with no_grad():
            seen = self.block.norm1(self.read(x))
            return self.block.attention.attention_map(seen).mean(axis=(0, 1))


def learn(stage: Stage, task: Reversal) -> Reverser:
    """Train on sequences that are drawn as they are needed."""
    model = Reverser(task, stage.rng)
    optimizer, loss_of = Adam(model.parameters(), lr=task.lr), CrossEntropyLoss()
    losses = []
    with stage.progress("reversal", task.steps) as step:
        for _ in range(task.steps):
            x = stage.rng.integers(0, DIGITS, (task.batch, task.length))
            logits = model(Tensor(x)).reshape(-1, DIGITS)
            loss = loss_of(logits, Tensor(x[:, ::-1].reshape(-1)))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            step(f"loss {losses[-1]:.3f}")
    stage.curve("loss of reversal", losses, log=True)
    return model


def judge(stage: Stage, task: Reversal, model: Reverser) -> float:
    """The share of new sequences without a single mistake; one of them, and the map, are shown."""
    x = stage.rng.integers(0, DIGITS, (task.tests, task.length))
    with no_grad():
        answers = model(Tensor(x)).data.argmax(axis=-1)
    right = (answers == x[:, ::-1]).all(axis=1)
    shown = " ".join(map(str, x[0])), " ".join(map(str, answers[0]))
    stage.tell(f"{shown[0]} reversed is {shown[1]}, says the network.")
    stage.tell("Where each place of the answer (a row) looks in the sequence (the columns):")
    stage.picture(["  " + line for line in shaded(model.looks_at(Tensor(x)))])
    return float(right.mean())


def shaded(shares: Array) -> Sequence[str]:
    """A matrix of shares, 0 to 1, as rows of text: the darker, the more."""
    levels = np.rint(np.clip(shares, 0, 1) * (len(SHADES) - 1)).astype(int)
    return ["".join(2 * SHADES[level] for level in row).rstrip() for row in levels]
