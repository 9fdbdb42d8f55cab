"""A training run described by a file: data, network, optimizer, schedule, seed.

    python -m tinytorch.core.runs run.toml --out runs/first optimizer.lr=0.01 epochs=20

The settings as they were used, defaults included, are written beside the checkpoints, and
describe the same run again: `python -m tinytorch.core.runs runs/first/run.toml`. Left out: networks
other than a multilayer perceptron, for which one writes Python.
"""

from __future__ import annotations

import argparse
import functools
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from tinytorch import datasets
from tinytorch.core.activations import GELU, ReLU, Sigmoid, Tanh
from tinytorch.core.config import ConfigError, read_config, save_config, setting, to_toml
from tinytorch.core.dataloader import DataLoader, random_split
from tinytorch.core.files import AnyPath
from tinytorch.core.history import EarlyStopping
from tinytorch.core.layers import Dropout, Linear, Sequential
from tinytorch.core.losses import CrossEntropyLoss
from tinytorch.core.memory import keep_freed_memory
from tinytorch.core.optimizers import SGD, Adam, AdamW
from tinytorch.core.tensor import Tensor
from tinytorch.core.training import (
    CosineSchedule,
    LinearSchedule,
    Schedule,
    StepSchedule,
    Trainer,
    constant,
    count_steps,
    warm_up,
)
from tinytorch.datasets.image_dataset import ImageDataset

DATASETS = {
    "mnist": "MNIST",
    "fashion-mnist": "FashionMNIST",
    "cifar-10": "CIFAR10",
    "drawn": "DrawnDigits",
}
ACTIVATIONS = {"relu": ReLU, "tanh": Tanh, "sigmoid": Sigmoid, "gelu": GELU}
SETTINGS = "run.toml"


@dataclass(frozen=True)
class DataSettings:
    """Which images, and how many at a time."""

    name: str = setting("mnist", choices=tuple(DATASETS))
    examples: int | None = setting(None, at_least=2)  # only the first ones; absent: all
    held_out: float = setting(0.1, above=0, below=1)  # share of the training data to validate on
    batch_size: int = setting(64, at_least=1)
    prefetch: int = setting(0, at_least=0)  # batches that a thread keeps ready


@dataclass(frozen=True)
class ModelSettings:
    """A multilayer perceptron between the pixels and the classes."""

    hidden: tuple[int, ...] = setting((128, 64), at_least=1)
    activation: str = setting("relu", choices=tuple(ACTIVATIONS))
    dropout: float = setting(0.0, at_least=0, below=1)


@dataclass(frozen=True)
class OptimizerSettings:
    """How parameters are moved."""

    name: str = setting("adam", choices=("sgd", "adam", "adamw"))
    lr: float = setting(1e-3, above=0)
    weight_decay: float = setting(0.0, at_least=0)
    momentum: float = setting(0.0, at_least=0)  # of sgd
    nesterov: bool = setting(False)  # of sgd
    betas: tuple[float, ...] = setting((0.9, 0.999), at_least=0, below=1)  # of adam and adamw


@dataclass(frozen=True)
class ScheduleSettings:
    """How the learning rate changes, step by step."""

    name: str = setting("constant", choices=("constant", "cosine", "linear", "step"))
    warm_up: int = setting(0, at_least=0)  # steps
    floor: float = setting(0.0, at_least=0, at_most=1)  # where cosine and linear end
    every: int = setting(1000, at_least=1)  # steps, of step
    factor: float = setting(0.1, above=0, at_most=1)  # of step


@dataclass(frozen=True)
class RunSettings:
    """All that decides what a run computes."""

    seed: int = setting(0, at_least=0)
    epochs: int = setting(10, at_least=1)
    accumulate: int = setting(1, at_least=1)  # batches for one step of the optimizer
    clip_norm: float | None = setting(None, above=0)
    label_smoothing: float = setting(0.0, at_least=0, at_most=1)
    patience: int | None = setting(None, at_least=1)  # epochs without a better validation loss
    data: DataSettings = field(default_factory=DataSettings)
    model: ModelSettings = field(default_factory=ModelSettings)
    optimizer: OptimizerSettings = field(default_factory=OptimizerSettings)
    schedule: ScheduleSettings = field(default_factory=ScheduleSettings)


@dataclass(frozen=True)
class Run:
    """A run that is ready to train: `run.trainer.fit(run.train, run.validation, epochs=...)`."""

    settings: RunSettings
    trainer: Trainer
    train: DataLoader
    validation: DataLoader

    def test(self) -> dict[str, float]:
        """Loss and accuracy on the test images, which nothing else looks at."""
        return self.trainer.evaluate(DataLoader(_images(self.settings.data, "test"), 512))


def prepare(settings: RunSettings, folder: AnyPath | None = None, progress: Any = True) -> Run:
    """Build what `settings` describe. Everything random comes from one generator, of its seed.

    folder  where checkpoints go; without it there are none
    """
    rng = np.random.default_rng(settings.seed)
    data = settings.data
    images = _images(data, "train")
    parts = random_split(images, [1 - data.held_out, data.held_out], rng)
    train = DataLoader(parts[0], data.batch_size, shuffle=True, rng=rng, prefetch=data.prefetch)
    sizes = (images[0][0].size, *settings.model.hidden, len(images.classes))
    model = _perceptron(sizes, settings.model, rng)
    options = settings.optimizer
    optimizer: Any
    if options.name == "sgd":
        optimizer = SGD(
            model.parameters(), options.lr, options.momentum, options.weight_decay, options.nesterov
        )
    else:
        if len(options.betas) != 2:
            raise ConfigError(f"optimizer.betas = {list(options.betas)}: it must be two numbers")
        adam = {"adam": Adam, "adamw": AdamW}[options.name]
        betas = (options.betas[0], options.betas[1])
        optimizer = adam(model.parameters(), options.lr, betas, weight_decay=options.weight_decay)
    trainer = Trainer(
        model,
        CrossEntropyLoss(label_smoothing=settings.label_smoothing),
        optimizer,
        schedule=_schedule(
            settings.schedule, count_steps(train, settings.epochs, settings.accumulate)
        ),
        clip_norm=settings.clip_norm,
        accumulate=settings.accumulate,
        early_stopping=EarlyStopping(settings.patience) if settings.patience else None,
        checkpoints=folder,
        progress=progress,
    )
    return Run(settings, trainer, train, DataLoader(parts[1], 512))


def train(
    settings: RunSettings,
    folder: AnyPath | None = None,
    *,
    resume: bool = False,
    progress: Any = True,
) -> Run:
    """Run what `settings` describe, and return it. With a folder, settings and history go there.

    resume  go on from the last checkpoint in `folder`, if there is one

    Raises FileExistsError where a folder holds a run already that is not to be resumed, and
    ConfigError where that run had other settings.
    """
    run = prepare(settings, folder, progress)
    if folder is not None:
        written = Path(folder) / SETTINGS
        if written.exists() and not resume:
            raise FileExistsError(
                f"{folder} holds a run already: resume it (--resume), or choose another folder"
            )
        if written.exists() and read_config(RunSettings, written) != settings:
            raise ConfigError(f"{written} describes another run: resume it with its own settings")
        Path(folder).mkdir(parents=True, exist_ok=True)
        save_config(settings, written)
        last = Path(folder) / "last.safetensors"
        if last.exists():
            run.trainer.resume(last)
    run.trainer.fit(run.train, run.validation, epochs=settings.epochs)
    if folder is not None:
        run.trainer.history.save(Path(folder) / "history.csv")
    return run


def _images(settings: DataSettings, split: str) -> Any:
    """The images of a split; of the training images, only as many as are asked for."""
    kind = getattr(datasets, DATASETS[settings.name])
    if split == "test" or settings.examples is None:
        return kind(split)
    if settings.name == "drawn":  # the first ones are the same pictures, and need not be all drawn
        return kind(split, n=settings.examples)
    images = kind(split)
    return ImageDataset(
        images.images[: settings.examples],
        images.labels[: settings.examples],
        classes=images.classes,
        name=images.name,
        mean=images.mean,
        std=images.std,
    )


def _flatten(x: Tensor) -> Tensor:
    return x.reshape(len(x), -1)  # (N, C, H, W) -> (N, pixels)


def _perceptron(
    sizes: Sequence[int], settings: ModelSettings, rng: np.random.Generator
) -> Sequential:
    layers: list[Any] = [_flatten]
    for inputs, outputs in pairwise(sizes[:-1]):
        layers += [Linear(inputs, outputs, rng=rng), ACTIVATIONS[settings.activation]()]
        layers += [Dropout(settings.dropout, rng=rng)] if settings.dropout else []
    return Sequential([*layers, Linear(sizes[-2], sizes[-1], rng=rng)])


def _schedule(settings: ScheduleSettings, steps: int) -> Schedule:
    left = max(1, steps - settings.warm_up)
    schedules: dict[str, Any] = {
        "constant": lambda: constant,
        "cosine": functools.partial(CosineSchedule, left, settings.floor),
        "linear": functools.partial(LinearSchedule, left, settings.floor),
        "step": functools.partial(StepSchedule, settings.every, settings.factor),
    }
    return warm_up(schedules[settings.name](), settings.warm_up)


def main(arguments: Sequence[str] | None = None) -> int:
    """Train from the command line. Returns the exit status: 2 for wrong settings, 130 at Ctrl-C."""
    parser = argparse.ArgumentParser(
        "python -m tinytorch.core.runs", description="Train a network."
    )
    parser.add_argument("settings", nargs="?", help="a TOML file; without it, the defaults")
    parser.add_argument("changes", nargs="*", metavar="KEY=VALUE", help="as in optimizer.lr=0.01")
    parser.add_argument("--out", help="a folder for checkpoints, settings and history")
    parser.add_argument(
        "--resume", action="store_true", help="go on from the last checkpoint there"
    )
    parser.add_argument("--show", action="store_true", help="print the settings, and do not train")
    given = parser.parse_intermixed_args(arguments)
    if given.settings is not None and "=" in given.settings:
        given.changes.insert(0, given.settings)
        given.settings = None
    try:
        settings = read_config(RunSettings, given.settings, given.changes)
        if given.show:
            print(to_toml(settings), end="")
            return 0
        keep_freed_memory()  # the process is ours
        run = train(settings, given.out, resume=given.resume)
    except (ConfigError, FileExistsError, FileNotFoundError) as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt as stop:
        again = f"\nOr: the same command with --resume --out {given.out}" if given.out else ""
        print(f"{stop}{again}", file=sys.stderr)
        return 130
    measured = run.test()
    print("test: " + ", ".join(f"{name} {value:.4f}" for name, value in measured.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
