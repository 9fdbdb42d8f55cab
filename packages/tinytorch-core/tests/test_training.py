"""Module 08, its pieces: schedules, clipping, accumulation, evaluation."""

import copy
import math
from collections.abc import Iterator
from dataclasses import FrozenInstanceError
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from training_helper import network, points, trainer, weights

from tinytorch import Tensor
from tinytorch.core.context import current
from tinytorch.core.training import (
    CosineSchedule,
    LinearSchedule,
    StepSchedule,
    Trainer,
    accumulate_gradients,
    accuracy,
    clip_grad_norm,
    constant,
    count_steps,
    evaluate,
    warm_up,
)
from tinytorch.data import DataLoader, TensorDataset
from tinytorch.nn import CrossEntropyLoss, Linear, Module, MSELoss
from tinytorch.optim import SGD


# Schedules
@pytest.mark.parametrize("kind", [CosineSchedule, LinearSchedule])
@given(steps=st.integers(1, 500), floor=st.floats(0, 1))
def test_a_schedule_falls_from_one_to_its_floor_and_stays_there(
    kind: type, steps: int, floor: float
) -> None:
    factors = [kind(steps, floor)(step) for step in range(steps + 3)]
    assert factors[0] == 1
    assert factors[steps:] == pytest.approx([floor] * 3)
    assert all(a >= b - 1e-12 for a, b in pairwise(factors))


def test_the_cosine_is_half_way_in_the_middle_and_slow_at_both_ends() -> None:
    # (1 + cos(pi t)) / 2 at t = 0, 1/4, 1/2, 3/4, 1
    factors = [CosineSchedule(8)(step) for step in (0, 2, 4, 6, 8)]
    assert factors == pytest.approx([1, 0.85355339, 0.5, 0.14644661, 0])


def test_the_line_falls_by_equal_parts() -> None:
    assert [LinearSchedule(4)(step) for step in range(6)] == [1, 0.75, 0.5, 0.25, 0, 0]


def test_the_steps_multiply_by_their_factor() -> None:
    assert [StepSchedule(2, 0.5)(step) for step in range(6)] == [1, 1, 0.5, 0.5, 0.25, 0.25]
    assert StepSchedule(1)(1) == 0.1


@pytest.mark.parametrize("schedule", [CosineSchedule(5), LinearSchedule(5), StepSchedule(5)])
def test_a_schedule_does_not_change_while_it_is_followed(schedule: Any) -> None:
    with pytest.raises(FrozenInstanceError):
        schedule.floor = 0.5


def test_warm_up_rises_in_equal_parts_to_where_the_schedule_starts() -> None:
    factors = [warm_up(LinearSchedule(2), 3)(step) for step in range(7)]
    assert factors == [0.25, 0.5, 0.75, 1, 0.5, 0, 0]
    assert [warm_up(constant, 1)(step) for step in range(3)] == [0.5, 1, 1]
    assert warm_up(constant, 0)(0) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: CosineSchedule(0),
        lambda: LinearSchedule(5, floor=1.5),
        lambda: StepSchedule(0),
        lambda: StepSchedule(5, factor=-0.1),
        lambda: warm_up(constant, -1),
    ],
)
def test_a_schedule_that_makes_no_sense_is_refused(wrong: Any) -> None:
    with pytest.raises(ValueError, match="steps"):
        wrong()


def test_steps_are_counted_with_the_ragged_last_one_of_each_epoch() -> None:
    loader = DataLoader(points(25), 5)  # 5 batches
    assert count_steps(loader, epochs=3) == 15
    assert count_steps(loader, epochs=3, accumulate=2) == 9


def test_each_group_of_parameters_keeps_its_share_of_the_schedule() -> None:
    model = network()
    first, *rest = model.parameters()
    optimizer = SGD([{"params": [first], "lr": 1.0}, {"params": rest, "lr": 0.1}])
    Trainer(model, CrossEntropyLoss(), optimizer, schedule=LinearSchedule(4), progress=False).fit(
        DataLoader(points(), 8), epochs=1
    )
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.5, 0.05])


def test_the_schedule_moves_with_every_step_not_every_epoch() -> None:
    seen = []

    def schedule(step: int) -> float:
        seen.append(step)
        return 1.0

    trainer(schedule=schedule).fit(DataLoader(points(), 8), epochs=2)
    assert seen == [0, 1, 2, 3, 4, 5]


# Clipping
def leaves(*gradients: Any) -> list[Tensor]:
    made = []
    for gradient in gradients:
        array = None if gradient is None else np.asarray(gradient, np.float32)
        made.append(Tensor(np.zeros(np.shape(array)), requires_grad=True))
        made[-1].grad = array
    return made


def test_gradients_are_shortened_together_to_the_norm_that_is_asked_for() -> None:
    parameters = leaves([3.0, 0.0], [[4.0]], None)
    assert clip_grad_norm(parameters, 1.0) == pytest.approx(5)
    assert parameters[0].grad == pytest.approx(np.array([0.6, 0]))
    assert parameters[1].grad == pytest.approx(np.array([[0.8]]))
    assert parameters[2].grad is None


def test_short_gradients_are_left_as_they_are() -> None:
    parameters = leaves([3.0, 4.0])
    assert clip_grad_norm(parameters, 20.0) == 5
    assert parameters[0].grad.tolist() == [3, 4]


def test_one_tensor_will_do_and_none_has_norm_zero() -> None:
    (parameter,) = leaves([6.0, 8.0])
    assert clip_grad_norm(parameter, 5.0) == 10
    assert parameter.grad == pytest.approx(np.array([3, 4]))
    assert clip_grad_norm([], 1.0) == 0


@pytest.mark.parametrize("wrong", [0.0, -1.0, math.nan])
def test_a_norm_that_is_not_above_zero_is_refused(wrong: float) -> None:
    with pytest.raises(ValueError, match="max_norm"):
        clip_grad_norm(leaves([1.0]), wrong)


# Accumulation
@settings(deadline=None)
@given(sizes=st.lists(st.integers(1, 9), min_size=1, max_size=5), seed=st.integers(0, 99))
def test_small_batches_accumulate_the_gradient_of_the_large_one(
    sizes: list[int], seed: int
) -> None:
    x, y = points(sum(sizes), seed).arrays
    model, loss = network(seed), CrossEntropyLoss()
    whole = loss(model(Tensor(x)), Tensor(y))
    whole.backward()
    expected = [p.grad for p in model.parameters()]
    model.zero_grad()
    ends = np.cumsum(sizes)
    parts = [(Tensor(x[e - n : e]), Tensor(y[e - n : e])) for e, n in zip(ends, sizes, strict=True)]
    assert accumulate_gradients(model, loss, parts) == pytest.approx(whole.item(), rel=1e-5)
    for parameter, gradient in zip(model.parameters(), expected, strict=True):
        np.testing.assert_allclose(parameter.grad, gradient, rtol=1e-4, atol=1e-6)


def test_a_run_with_accumulation_is_that_of_larger_batches_ragged_ends_too() -> None:
    small, large = network(), network()
    for model, size, accumulate in ((small, 5, 3), (large, 15, 1)):  # 37 = 15 + 15 + 7
        history = trainer(model, accumulate=accumulate).fit(DataLoader(points(37), size), epochs=2)
        assert history[-1]["step"] == 6
    for a, b in zip(weights(small), weights(large), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


def test_the_training_loss_counts_examples_not_batches() -> None:
    data = points(10)
    model = network()
    history = trainer(model, lr=0.0).fit(DataLoader(data, 4), epochs=1)
    x, y = data.arrays
    whole = CrossEntropyLoss()(model(Tensor(x)), Tensor(y)).item()
    assert history[0]["train_loss"] == pytest.approx(whole, rel=1e-5)


@pytest.mark.parametrize("reduction", ["sum", "none"])
def test_a_loss_that_is_no_mean_is_refused(reduction: str) -> None:
    model = network()
    with pytest.raises(ValueError, match="reduction"):
        Trainer(model, CrossEntropyLoss(reduction), SGD(model.parameters()))


# Evaluation
class Watched(Module):
    """Notes the modes that it was called in."""

    def __init__(self) -> None:
        self.inner = network(dropout=0.5)
        self.seen: list[tuple[bool, bool]] = []

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append((self.training, current().grad))
        return self.inner(x)


def test_evaluation_runs_without_gradients_and_without_dropout() -> None:
    model = Watched()
    loader = DataLoader(points(), 24)
    assert evaluate(model, CrossEntropyLoss(), loader) == evaluate(
        model, CrossEntropyLoss(), loader
    )
    assert model.seen == [(False, False)] * 2
    assert current().grad


def test_evaluation_gives_each_module_its_mode_back() -> None:
    model = Watched()
    model.inner.eval()
    evaluate(model, CrossEntropyLoss(), DataLoader(points(), 24))
    assert model.training
    assert not any(module.training for module in model.inner.modules())


def test_an_error_in_evaluation_gives_the_mode_back_too() -> None:
    model = Watched()
    with pytest.raises(ValueError, match="differ"):
        evaluate(model, MSELoss(), DataLoader(points(), 24))
    assert model.training
    assert current().grad


def test_training_goes_on_in_training_mode_after_each_evaluation() -> None:
    model = Watched()
    model.eval()
    trainer(model).fit(DataLoader(points(), 24), DataLoader(points(), 24), epochs=2)
    assert model.seen == [(True, True), (False, False)] * 2


def test_means_are_over_examples_whatever_the_batches() -> None:
    model = network()
    whole = evaluate(model, CrossEntropyLoss(), DataLoader(points(23), 23))
    parts = evaluate(model, CrossEntropyLoss(), DataLoader(points(23), 5))
    assert parts == pytest.approx(whole, rel=1e-5)

    def seven(outputs: Tensor, targets: Tensor) -> float:
        return 7.0

    assert evaluate(model, CrossEntropyLoss(), DataLoader(points(23), 5), [seven])["seven"] == 7


def test_accuracy_is_the_share_of_right_classes() -> None:
    outputs = Tensor([[1.0, 2, 0], [5, 1, 1], [0, 0, 1], [0, 1, 0]])
    assert accuracy(outputs, Tensor([1, 0, 2, 2])) == 0.75
    assert accuracy(outputs, Tensor(np.array([1, 0, 2, 2], np.uint8))) == 0.75


def test_accuracy_of_sequences_counts_each_place() -> None:
    outputs = Tensor(np.array([[[1, 0, 1], [0, 1, 0]]], np.float32))  # (N, C, T) = (1, 2, 3)
    assert accuracy(outputs, Tensor([[0, 1, 1]])) == pytest.approx(2 / 3)


@pytest.mark.parametrize("targets", [Tensor([1.0, 0.0]), Tensor([[1], [0]])])
def test_accuracy_refuses_what_are_no_class_indices(targets: Tensor) -> None:
    with pytest.raises(ValueError, match="need class indices of shape"):
        accuracy(Tensor(np.zeros((2, 3), np.float32)), targets)


def test_metrics_of_ones_own_are_named_after_their_function() -> None:
    def largest(outputs: Tensor, targets: Tensor) -> float:
        return float(outputs.data.max())

    found = evaluate(network(), CrossEntropyLoss(), DataLoader(points(), 24), [accuracy, largest])
    assert list(found) == ["loss", "accuracy", "largest"]


def test_class_indices_may_be_bytes() -> None:
    x = TensorDataset(np.ones((4, 2), np.float32), np.zeros(4, np.uint8))
    assert "accuracy" in evaluate(Linear(2, 2), CrossEntropyLoss(), DataLoader(x, 4))


def test_without_classes_only_the_loss_is_measured() -> None:
    x = np.ones((4, 4), np.float32)
    found = evaluate(Linear(4, 2), MSELoss(), DataLoader(TensorDataset(x, x[:, :2]), 4))
    assert list(found) == ["loss"]


def test_evaluating_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="no batches"):
        evaluate(network(), CrossEntropyLoss(), [])


# PyTorch
@pytest.mark.oracle
@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 1000), max_norm=st.floats(0.01, 100))
def test_clipping_equals_pytorch(seed: int, max_norm: float) -> None:
    import torch

    rng = np.random.default_rng(seed)
    gradients = [rng.standard_normal(shape, np.float32) for shape in ((3,), (2, 4), ())]
    mine = leaves(*copy.deepcopy(gradients))
    theirs = [torch.zeros(np.shape(g), requires_grad=True) for g in gradients]
    for parameter, gradient in zip(theirs, gradients, strict=True):
        parameter.grad = torch.tensor(gradient)
    norm = clip_grad_norm(mine, max_norm)
    assert norm == pytest.approx(torch.nn.utils.clip_grad_norm_(theirs, max_norm).item(), rel=1e-5)
    for a, b in zip(mine, theirs, strict=True):
        np.testing.assert_allclose(a.grad, b.grad.numpy(), rtol=1e-4, atol=1e-6)


@pytest.mark.oracle
def test_schedules_equal_pytorch() -> None:
    import torch
    from torch.optim import lr_scheduler

    def factors(make: Any, steps: int = 25) -> Iterator[float]:
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
        schedule = make(optimizer)
        for _ in range(steps):
            yield optimizer.param_groups[0]["lr"]
            optimizer.step()
            schedule.step()

    for mine, theirs in [
        (CosineSchedule(25, 0.1), lambda o: lr_scheduler.CosineAnnealingLR(o, 25, eta_min=0.1)),
        (LinearSchedule(20, 0.2), lambda o: lr_scheduler.LinearLR(o, 1.0, 0.2, 20)),
        (StepSchedule(7, 0.3), lambda o: lr_scheduler.StepLR(o, 7, 0.3)),
        (
            warm_up(constant, 9),
            lambda o: lr_scheduler.LinearLR(o, 0.1, 1.0, 9),
        ),
    ]:
        assert [mine(step) for step in range(25)] == pytest.approx(list(factors(theirs)))


@pytest.mark.parametrize("what", [Linear(2, 2), network(), [None], 3])
def test_clipping_names_the_parameters_where_something_else_is_given(what) -> None:
    words = rf"expected a list of tensors, got a {type(what).__name__}: .*model.parameters\(\)"
    with pytest.raises(TypeError, match=words):
        clip_grad_norm(what, 1.0)
