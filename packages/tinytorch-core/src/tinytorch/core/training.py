"""Module 08: training. Schedules, clipping, accumulation, evaluation, and the loop around them.

Each piece is a function that can be used by itself; `Trainer` puts them in order. Left out: what a
checkpoint file holds (`checkpoints.py`), the history (`history.py`), and how progress is shown
(`progress.py`).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from tinytorch.core.checkpoints import Position
from tinytorch.core.context import no_grad
from tinytorch.core.diagnosis import diagnosis
from tinytorch.core.errors import ShapeError
from tinytorch.core.files import AnyPath
from tinytorch.core.history import EarlyStopping as EarlyStopping
from tinytorch.core.history import History, Row
from tinytorch.core.interruption import Interruption
from tinytorch.core.layers import Module
from tinytorch.core.progress import Silent, display
from tinytorch.core.resuming import Resumable
from tinytorch.core.tensor import Tensor

Schedule = Callable[[int], float]
Metric = Callable[[Tensor, Tensor], float]


# Schedules: from the number of a step, which starts at 0, to a factor of the learning rate
@dataclass(frozen=True)
class CosineSchedule:
    """From 1 to `floor` along half a cosine, in `steps` steps, and `floor` from there on.

    Loshchilov and Hutter, "SGDR: Stochastic gradient descent with warm restarts", 2017, equation 5.
    """

    steps: int
    floor: float = 0.0

    def __post_init__(self) -> None:
        _check_schedule(self.steps, self.floor)

    def __call__(self, step: int) -> float:
        done = min(step / self.steps, 1.0)
        return self.floor + (1 - self.floor) * (1 + math.cos(math.pi * done)) / 2


@dataclass(frozen=True)
class LinearSchedule:
    """From 1 to `floor` along a straight line, in `steps` steps, and `floor` from there on."""

    steps: int
    floor: float = 0.0

    def __post_init__(self) -> None:
        _check_schedule(self.steps, self.floor)

    def __call__(self, step: int) -> float:
        done = min(step / self.steps, 1.0)
        return self.floor + (1 - self.floor) * (1 - done)


@dataclass(frozen=True)
class StepSchedule:
    """Multiplied by `factor` after every `every` steps."""

    every: int
    factor: float = 0.1

    def __post_init__(self) -> None:
        _check_schedule(self.every, self.factor)

    def __call__(self, step: int) -> float:
        return float(self.factor ** (step // self.every))


def _check_schedule(steps: int, factor: float) -> None:
    if steps < 1 or not 0 <= factor <= 1:
        raise ValueError(
            f"a schedule of {steps} steps and factor {factor}: at least 1 step is needed, and the "
            "factor is a share of the optimizer's lr, from 0 to 1"
        )


def constant(step: int) -> float:
    """No change: the schedule to warm up to where there is no other."""
    return 1.0


def warm_up(schedule: Schedule, steps: int) -> Schedule:
    """Rise in equal parts during `steps` steps to where `schedule` then starts.

    Goyal et al., "Accurate, large minibatch SGD", 2017, section 2.2.
    """
    if steps < 0:
        raise ValueError(f"warm_up: {steps} steps; there cannot be fewer than 0")

    def factor(step: int) -> float:
        if step < steps:
            return schedule(0) * (step + 1) / (steps + 1)
        return schedule(step - steps)

    return factor


def count_steps(loader: Any, epochs: int, accumulate: int = 1) -> int:
    """How many steps `epochs` epochs take: what a schedule wants to know."""
    return epochs * math.ceil(len(loader) / accumulate)


# The pieces of a step
def clip_grad_norm(parameters: Tensor | Iterable[Tensor], max_norm: float) -> float:
    """Shorten all gradients by one factor, so that together they are no longer than `max_norm`.

    Returns the length before: the root of the sum of all squares. Parameters without a gradient
    do not count. Pascanu et al., "On the difficulty of training recurrent neural networks", 2013.
    """
    if not max_norm > 0:
        raise ValueError(f"clip_grad_norm: max_norm={max_norm}: it must be above 0")
    given = [parameters] if isinstance(parameters, Tensor) else parameters
    try:
        gradients = [p.grad for p in given if p.grad is not None]
    except (AttributeError, TypeError):  # no tensors, or nothing to loop over
        raise TypeError(
            f"clip_grad_norm: expected a list of tensors, got a {type(parameters).__name__}: "
            "clip_grad_norm(model.parameters(), max_norm)"
        ) from None
    norm = math.hypot(*(float(np.linalg.norm(g)) for g in gradients))
    if norm > max_norm:
        for g in gradients:
            g *= max_norm / norm
    return norm


def accumulate_gradients(
    model: Callable[..., Tensor],
    loss: Callable[[Tensor, Tensor], Tensor] | None,
    batches: Sequence[Any],
) -> float:
    """Add the gradients of the mean loss over all examples of `batches`; return that loss.

    Each batch counts by its number of examples, so the result is that of one large batch, with
    the memory of a small one. `loss` is a mean over examples; None where `model(x, y)` is the loss.
    """
    examples = sum(len(x) for x, _ in batches)
    mean = 0.0
    for x, y in batches:
        value = model(x, y) if loss is None else loss(model(x), y)
        share = len(x) / examples
        (value * share).backward()
        mean += value.item() * share
    return mean


# How good it is
def accuracy(outputs: Tensor, targets: Tensor) -> float:
    """The share of examples whose largest output is that of the right class.

    outputs (N, C, ...), targets (N, ...) of class indices.
    """
    if targets.shape != outputs.shape[:1] + outputs.shape[2:] or targets.dtype.kind not in "iu":
        raise ShapeError(
            f"accuracy: outputs {outputs.shape} need class indices of shape "
            f"{outputs.shape[:1] + outputs.shape[2:]}; the targets are {targets.shape} of "
            f"{targets.dtype}. Not a classification? Trainer(..., metrics=())"
        )
    return float(np.mean(outputs.data.argmax(axis=1) == targets.data))


@contextmanager
def evaluating(model: Module) -> Iterator[None]:
    """Within this block `model` evaluates: dropout lets all through. Each module's mode returns."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def evaluate(
    model: Module,
    loss: Callable[[Tensor, Tensor], Tensor] | None,
    loader: Iterable[Any],
    metrics: Sequence[Metric] | None = None,
) -> dict[str, float]:
    """Return the mean over all examples of the loss, as "loss", and of each metric by its name.

    metrics  functions (outputs, targets) -> mean over a batch. None means accuracy where targets
             are class indices, and nothing elsewhere
    """
    require_batches("evaluate", loader)
    sums: dict[str, float] = {}
    examples = 0
    with no_grad(), evaluating(model):
        for x, y in loader:
            if loss is None:
                measured = {"loss": model(x, y).item()}
            else:
                outputs = model(x)
                measured = {"loss": loss(outputs, y).item()}
                for metric in _default_metrics(y) if metrics is None else metrics:
                    measured[metric.__name__] = float(metric(outputs, y))
            for name, value in measured.items():
                sums[name] = sums.get(name, 0.0) + value * len(x)
            examples += len(x)
    if not examples:
        raise ValueError("evaluate: the loader gave no batches. Is it an iterator that is used up?")
    return {name: total / examples for name, total in sums.items()}


def _default_metrics(targets: Tensor) -> Sequence[Metric]:
    return (accuracy,) if targets.dtype.kind in "iu" else ()


# The loop
def require_batches(name: str, loader: Any) -> None:
    """Raise TypeError for examples or arrays in place of a loader, which hands out batches."""
    arrays = isinstance(loader, Tensor | np.ndarray)
    if arrays or not hasattr(loader, "__iter__"):
        examples = "TensorDataset(x, y)" if arrays else "the data set"
        raise TypeError(
            f"{name}: expected a loader of batches (x, y), got a {type(loader).__name__}: "
            f"make one of {examples}, DataLoader(..., batch_size=64)"
        )


def require_objects(**given: Any) -> None:
    """Raise TypeError where a class was given in place of an object of it."""
    for argument, value in given.items():
        if isinstance(value, type):
            raise TypeError(
                f"Trainer: {argument}={value.__name__} is the class: make an object of it, "
                f"{argument}={value.__name__}(...)"
            )
    optimizer = given.get("optimizer")
    if not hasattr(optimizer, "param_groups"):
        raise TypeError(
            f"Trainer: the optimizer is a {type(optimizer).__name__}: make one, "
            "Adam(model.parameters()), and give it after the loss"
        )


class Trainer(Resumable):
    """Trains `model` so that `loss` falls, with `optimizer`. Call `fit`, then look at `history`.

    loss              a function (outputs, targets) -> mean over examples; None: `model(x, y)` is it
    schedule          from the number of a step to a factor of each group's lr
    clip_norm         the length to which gradients are clipped
    accumulate        batches for one step of the optimizer
    metrics           see `evaluate`
    early_stopping    when to stop before the last epoch
    after_step        called after each step of the optimizer, with the number of steps so far:
                      to hold weights at 0 (pruning), to clip them, to average them
    checkpoints       a folder for `last.safetensors` and `best.safetensors`: written after each
                      epoch, after every `checkpoint_every` steps, and at Ctrl-C. Best is what
                      early stopping says, else the lowest validation (or training) loss
    progress          True: a bar in a terminal, lines elsewhere. False: nothing

    A row of the history has epoch, step, train_loss, lr, seconds; with validation data also
    validation_loss, validation_accuracy ...
    """

    def __init__(
        self,
        model: Module,
        loss: Callable[[Tensor, Tensor], Tensor] | None,
        optimizer: Any,
        *,
        schedule: Schedule | None = None,
        clip_norm: float | None = None,
        accumulate: int = 1,
        metrics: Sequence[Metric] | None = None,
        early_stopping: EarlyStopping | None = None,
        after_step: Callable[[int], None] | None = None,
        checkpoints: AnyPath | None = None,
        checkpoint_every: int | None = None,
        progress: bool | Silent = True,
    ) -> None:
        require_objects(
            loss=loss, optimizer=optimizer, schedule=schedule, early_stopping=early_stopping
        )
        if accumulate < 1:
            raise ValueError(f"Trainer: accumulate={accumulate}: a step needs at least 1 batch")
        if getattr(loss, "reduction", "mean") != "mean":
            raise ValueError('Trainer: the loss must be a mean over examples: reduction="mean"')
        own = {id(parameter) for parameter in model.parameters()}
        moved = {id(p) for group in optimizer.param_groups for p in group["params"]}
        if not own & moved:
            raise ValueError(
                "Trainer: the optimizer holds no parameter of this model, so nothing would be "
                "learned: make it with Adam(model.parameters()), after the model"
            )
        super().__init__(model, optimizer, checkpoints)
        self.loss = loss
        self.schedule = schedule
        self.clip_norm = clip_norm
        self.accumulate = accumulate
        self.metrics = metrics
        self.early_stopping = early_stopping
        self.after_step = after_step
        self.checkpoint_every = checkpoint_every
        self.progress = progress

    def fit(self, train: Any, validation: Any = None, *, epochs: int) -> History:
        """Train until `epochs` epochs are complete, counted from the very first.

        train, validation  loaders: each loop over one gives an epoch of batches (x, y)

        Returns the history. Raises FloatingPointError at a loss that is no number, and, after a
        checkpoint was written, KeyboardInterrupt at Ctrl-C.
        """
        require_batches("fit", train)
        if validation is not None:
            require_batches("fit: validation", validation)
        with Interruption() as interruption, display(self.progress) as show:
            self._begin(train, validation)
            if epochs <= self.position.epoch:
                show.note(f"epoch {epochs} is complete already: fit(..., epochs={epochs + 1})?")
            while self.position.epoch < epochs and not self._has_converged():
                batches = self._epoch(train)
                show.begin_epoch(
                    self.position.epoch + 1, epochs, self._batches, self.position.batch
                )
                self.model.train()
                while group := list(islice(batches, self.accumulate)):
                    loss = self.train_step(group)
                    show.advance(len(group), loss)
                    if interruption.asked:
                        self._stop()
                    if self.checkpoint_every and self.position.step % self.checkpoint_every == 0:
                        self._keep()
                show.end_epoch(self._end_epoch(validation), epochs)
                if interruption.asked:
                    self._stop()
        return self.history

    def evaluate(self, loader: Iterable[Any]) -> dict[str, float]:
        """Return {"loss": ..., "accuracy": ...} over all examples; see `evaluate`."""
        return evaluate(self.model, self.loss, loader, self.metrics)

    def train_step(self, batches: Sequence[Any]) -> float:
        """One step of the optimizer, on one or more batches. Returns the mean loss before it."""
        groups = self.optimizer.param_groups
        if self.schedule is not None:
            factor = self.schedule(self.position.step)
            for group, base in zip(groups, self.base_lrs, strict=True):
                group["lr"] = base * factor
        self.optimizer.zero_grad()
        loss = accumulate_gradients(self.model, self.loss, batches)
        norm = 0.0
        if self.clip_norm is not None:
            norm = clip_grad_norm([p for g in groups for p in g["params"]], self.clip_norm)
        if not math.isfinite(loss + norm):
            now, lr = self.position, float(groups[0]["lr"])
            raise FloatingPointError(
                diagnosis(now.step + 1, now.epoch + 1, lr, loss, norm, batches)
            )
        self.optimizer.step()
        examples = sum(len(x) for x, _ in batches)
        self.position.step += 1
        self.position.batch += len(batches)
        self.position.loss_sum += loss * examples
        self.position.examples += examples
        if self.after_step is not None:
            self.after_step(self.position.step)
        return loss

    def _end_epoch(self, validation: Any) -> Row:
        """Evaluate, add a row to the history, and keep a checkpoint."""
        now = self.position
        if not now.examples:
            raise ValueError(
                "fit: the loader gave no batches. Is it an iterator that is used up, or is the "
                "data set smaller than one batch, with drop_last?"
            )
        row: Row = {"epoch": now.epoch + 1, "step": now.step}
        row["train_loss"] = now.loss_sum / now.examples
        if validation is not None:
            measured = self.evaluate(validation)
            row |= {f"validation_{name}": value for name, value in measured.items()}
        row["lr"] = float(self.optimizer.param_groups[0]["lr"])
        row["seconds"] = time.perf_counter() - self._since
        self.history.append(row)
        self.position = Position(epoch=now.epoch + 1, step=now.step)
        by = self.early_stopping
        if by is None:
            by = EarlyStopping(1, "train_loss" if validation is None else "validation_loss")
        self._keep(best=self.history.best(by.metric, by.mode) is row)
        return row

    def _has_converged(self) -> bool:
        return self.early_stopping is not None and self.early_stopping(self.history)
