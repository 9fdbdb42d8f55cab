"""Module 16: the loss of distillation is the paper's, and a student learns by the plain Trainer."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinytorch
from tinytorch import Tensor
from tinytorch.core.losses import cross_entropy
from tinytorch.core.training import Trainer, evaluate
from tinytorch.data import DataLoader, TensorDataset
from tinytorch.nn import CrossEntropyLoss, Dropout, Linear, ReLU, Sequential
from tinytorch.opt.distillation import DistillationLoss, distillation_loss
from tinytorch.optim import Adam


def logits(seed: int = 0, shape: tuple[int, ...] = (5, 4)) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(seed)
    rows = (shape[0], *shape[2:])
    return rng.normal(0, 3, shape), rng.normal(0, 3, shape), rng.integers(0, shape[1], rows)


def real(values: np.ndarray) -> Tensor:
    return Tensor(values, np.float64, requires_grad=True)


def network(hidden: int, seed: int = 0, dropout: float = 0.0) -> Sequential:
    rng = np.random.default_rng(seed)
    return Sequential(
        Linear(4, hidden, rng=rng), ReLU(), Dropout(dropout, rng), Linear(hidden, 3, rng=rng)
    )


def by_hand(z: np.ndarray, v: np.ndarray, y: np.ndarray, t: float, alpha: float) -> float:
    """Hinton et al., 2015, section 2, written with softmax and logarithm as they stand there."""

    def softmax(a: np.ndarray) -> np.ndarray:
        return np.exp(a) / np.exp(a).sum(axis=1, keepdims=True)

    p, q = softmax(v / t), softmax(z / t)
    kl = (p * np.log(p / q)).sum(axis=1).mean()
    hard = -np.log(softmax(z)[np.arange(len(y)), y]).mean()
    return float(alpha * t**2 * kl + (1 - alpha) * hard)


# The loss
@pytest.mark.parametrize(("t", "alpha"), [(1.0, 0.5), (4.0, 0.9), (0.5, 0.0), (20.0, 1.0)])
def test_the_loss_is_the_formula_of_the_paper(t: float, alpha: float) -> None:
    z, v, y = logits()
    loss = distillation_loss(real(z), v, Tensor(y), temperature=t, alpha=alpha)
    assert loss.item() == pytest.approx(by_hand(z, v, y, t, alpha), abs=1e-9)


def test_a_student_who_says_the_same_has_no_loss_and_alpha_0_is_cross_entropy() -> None:
    z, v, y = logits()
    assert distillation_loss(real(v), v, Tensor(y), alpha=1).item() == pytest.approx(0, abs=1e-9)
    plain = cross_entropy(real(z), Tensor(y)).item()
    assert distillation_loss(real(z), v, Tensor(y), alpha=0).item() == pytest.approx(plain)


@pytest.mark.parametrize("shape", [(5, 4), (2, 3, 4)])
def test_gradients_agree_with_finite_differences(shape: tuple[int, ...]) -> None:
    z, v, y = logits(1, shape)

    def loss(x: Tensor) -> Tensor:
        return distillation_loss(x, v, Tensor(y), temperature=3.0, alpha=0.7)

    tinytorch.gradcheck(loss, real(z))


def test_the_gradient_keeps_its_size_at_high_temperatures() -> None:
    """For T to infinity it is (z - v) / (N C), with both centred: the paper's equation 4."""
    z, v, y = logits()
    z, v = (a - a.mean(axis=1, keepdims=True) for a in (z, v))
    x = real(z)
    distillation_loss(x, v, Tensor(y), temperature=1e4, alpha=1.0).backward()
    np.testing.assert_allclose(x.grad, (z - v) / z.size, atol=1e-3)


@pytest.mark.oracle
@pytest.mark.parametrize(("t", "alpha"), [(1.0, 0.5), (4.0, 0.9), (10.0, 1.0)])
def test_loss_and_gradient_are_those_of_pytorch(t: float, alpha: float) -> None:
    import torch
    import torch.nn.functional as F  # noqa: N812  (as PyTorch's own tutorial)

    z, v, y = (a.astype(np.float32) if a.dtype.kind == "f" else a for a in logits(2))
    theirs = torch.tensor(z, requires_grad=True)
    soft = F.kl_div(
        F.log_softmax(theirs / t, 1), F.softmax(torch.tensor(v) / t, 1), reduction="batchmean"
    )
    expected = alpha * t**2 * soft + (1 - alpha) * F.cross_entropy(theirs, torch.tensor(y))
    expected.backward()
    ours = Tensor(z, requires_grad=True)
    loss = distillation_loss(ours, v, Tensor(y), temperature=t, alpha=alpha)
    loss.backward()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    np.testing.assert_allclose(ours.grad, theirs.grad.numpy(), atol=1e-6)


def test_logits_of_other_classes_are_refused() -> None:
    with pytest.raises(ValueError, match="both must know the same classes"):
        distillation_loss(Tensor(np.zeros((2, 3))), np.zeros((2, 4)), Tensor(np.zeros(2, int)))


@pytest.mark.parametrize("wrong", [{"temperature": 0}, {"alpha": 1.1}, {"alpha": -0.1}])
def test_shares_and_temperatures_that_make_no_sense_are_refused(wrong: Any) -> None:
    with pytest.raises(ValueError, match="must be above 0, and alpha a share"):
        DistillationLoss(network(4), **wrong)


# The training
def test_a_student_learns_from_a_teacher_by_the_plain_trainer() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((200, 4), np.float32)
    y = (x @ rng.standard_normal((4, 3), np.float32)).argmax(1)
    loader = DataLoader(TensorDataset(x, y), 20)
    teacher = network(32, dropout=0.5)
    Trainer(teacher, CrossEntropyLoss(), Adam(teacher.parameters(), lr=0.01), progress=False).fit(
        loader, epochs=20
    )
    before, student = teacher.state_dict(), network(6, seed=1)
    loss = DistillationLoss(teacher.train(), temperature=2.0, alpha=1.0)  # no label has a say
    trainer = Trainer(loss.of(student), None, Adam(student.parameters(), lr=0.02), progress=False)
    history = trainer.fit(loader, loader, epochs=20)
    assert history[-1]["validation_loss"] < history[0]["validation_loss"] / 5
    assert evaluate(student, CrossEntropyLoss(), loader)["accuracy"] > 0.9
    for name, array in teacher.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


def test_the_teacher_is_no_part_of_the_student_and_evaluates() -> None:
    teacher, student = network(8, dropout=0.9).train(), network(4)
    both = DistillationLoss(teacher).of(student)
    assert [id(p) for p in both.parameters()] == [id(p) for p in student.parameters()]
    x = Tensor(np.random.default_rng(0).standard_normal((6, 4), np.float32))
    y = Tensor(np.zeros(6, np.int64))
    assert both(x, y).item() == both(x, y).item()  # nothing of the teacher is dropped
    assert teacher.training
    both(x, y).backward()
    assert all(p.grad is None for p in [*teacher[0].parameters(), *teacher[3].parameters()])
    np.testing.assert_array_equal(both(x).data, student(x).data)


def test_a_teacher_may_be_any_function() -> None:
    loss = DistillationLoss(lambda x: x * 2, temperature=1.0, alpha=1.0)
    x = Tensor(np.eye(3, dtype=np.float32))
    assert loss(x, x * 2, Tensor(np.arange(3))).item() == pytest.approx(0, abs=1e-6)
