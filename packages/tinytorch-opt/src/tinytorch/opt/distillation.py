"""Distillation: a small network learns what a large one says, not only what the labels say.

A label says that this is a 7. The teacher says that it is a 7, and looks a little like a 1 and not
at all like an 8: so each example tells the student more. A temperature above 1 flattens what both
say, so that the small probabilities count.

    loss = DistillationLoss(teacher, temperature=4.0, alpha=0.9)
    Trainer(loss.of(student), None, Adam(student.parameters())).fit(loader, epochs=3)
    evaluate(student, CrossEntropyLoss(), test)

Left out: matching what is inside of both networks, and networks that do not classify.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinytorch.core.activations import log_softmax
from tinytorch.core.context import no_grad
from tinytorch.core.errors import ShapeError
from tinytorch.core.layers import Module
from tinytorch.core.losses import cross_entropy
from tinytorch.core.primitive import Array
from tinytorch.core.tensor import Tensor
from tinytorch.core.training import evaluating


def soft_targets(logits: Array, temperature: float) -> tuple[Array, float]:
    """Return softmax(logits / temperature), and the mean of its entropies: (N, C, ...), nats."""
    log_p = log_softmax.definition(logits / np.asarray(temperature, logits.dtype), axis=1)
    p = np.exp(log_p)
    return p, float(-(p * log_p).sum(axis=1).mean())


def distillation_loss(
    student: Tensor,
    teacher: Array,
    target: Tensor,
    *,
    temperature: float = 4.0,
    alpha: float = 0.9,
) -> Tensor:
    """alpha T^2 KL(teacher / T, student / T) + (1 - alpha) cross_entropy(student, target).

    student, teacher  logits (N, C, ...); the teacher's have no gradient
    target            class indices (N, ...)
    temperature       T, above 0: what both logits are divided by
    alpha             the teacher's share, from 0 to 1

    KL is the mean over examples of sum(p log(p / q)): 0 where the student says the same. Gradients
    of it shrink as 1 / T^2; the factor keeps both parts of one size. Hinton, Vinyals and Dean,
    "Distilling the knowledge in a neural network", 2015, section 2. Raises ShapeError.
    """
    if student.shape != teacher.shape:
        raise ShapeError(
            f"distillation_loss: the student's logits are {student.shape}, the teacher's "
            f"{teacher.shape}: both must know the same classes"
        )
    p, entropy = soft_targets(teacher, temperature)
    # cross_entropy(q, p) is KL(p, q) plus the entropy of p, which the student cannot change
    softened = cross_entropy(student / temperature, Tensor(p, p.dtype)) - entropy
    loss = softened * (alpha * temperature**2)
    return loss + cross_entropy(student, target) * (1 - alpha)


class DistillationLoss:
    """The loss of a student who listens to `teacher`; `of(student)` is what a `Trainer` trains.

    teacher             a model that gives logits (N, C); it is not trained, and evaluates
    temperature, alpha  as in `distillation_loss`
    """

    def __init__(
        self, teacher: Callable[[Tensor], Tensor], temperature: float = 4.0, alpha: float = 0.9
    ) -> None:
        if not temperature > 0 or not 0 <= alpha <= 1:
            raise ValueError(
                f"DistillationLoss: temperature={temperature}, alpha={alpha}: the temperature "
                "must be above 0, and alpha a share, from 0 to 1"
            )
        self.teacher, self.temperature, self.alpha = teacher, temperature, alpha

    def __call__(self, x: Tensor, outputs: Tensor, targets: Tensor) -> Tensor:
        """The loss of a student's `outputs` for inputs `x` with class indices `targets`."""
        return distillation_loss(
            outputs,
            self.answers(x),
            targets,
            temperature=self.temperature,
            alpha=self.alpha,
        )

    def answers(self, x: Tensor) -> Array:
        """The teacher's logits."""
        with no_grad():
            if not isinstance(self.teacher, Module):
                return self.teacher(x).data
            with evaluating(self.teacher):
                return self.teacher(x).data

    def of(self, student: Module) -> Student:
        """Return the student as a model that gives this loss, for `Trainer(..., None, ...)`."""
        return Student(student, self)


class Student(Module):
    """`model(x, y)` is the loss of a student, `model(x)` its logits.

    Its parameters, and what checkpoints hold, are the student's alone.
    """

    def __init__(self, model: Module, loss: DistillationLoss) -> None:
        self.model = model
        self._loss = loss  # in a private attribute, so that the teacher is no part of this module

    def forward(self, x: Tensor, y: Any = None) -> Tensor:
        outputs = self.model(x)
        return outputs if y is None else self._loss(x, outputs, y)
