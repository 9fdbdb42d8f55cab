"""1998: convolutions. LeNet-5 reads digits, and a network of today learns to see small photographs.

Left out: the paper's own training, which bent the images and took days, and validation data:
nothing is chosen here, so the test images may be looked at after each epoch.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tinytorch.arch.milestones.photographs import Photographs, photographs
from tinytorch.arch.milestones.pictures import (
    Judgement,
    caption,
    confusion_rows,
    judge,
    save_png,
    shaded,
    side_by_side,
)
from tinytorch.arch.models import CifarCNN, LeNet5
from tinytorch.arch.tier import CONVOLUTION
from tinytorch.core.history import History
from tinytorch.core.layers import Module
from tinytorch.core.milestones import display
from tinytorch.core.milestones.digits import Digits, digits
from tinytorch.core.milestones.display import Epochs
from tinytorch.core.milestones.frame import Stage, milestone
from tinytorch.core.serialization import save
from tinytorch.core.training import Trainer, count_steps, warm_up
from tinytorch.core.transforms import RandomHorizontalFlip
from tinytorch.data import DataLoader
from tinytorch.nn import CrossEntropyLoss
from tinytorch.optim import SGD, Adam, LinearSchedule

HISTORY = (
    "A picture is not a list of numbers: what is near belongs together, and a digit is the same "
    "digit a little to the left. A layer that looks at small patches only, everywhere with the "
    "same weights, knows that before it has learned anything. Y. LeCun, L. Bottou, Y. Bengio and "
    "P. Haffner, Gradient-based learning applied to document recognition, Proceedings of the IEEE "
    "86, 1998. ReLU, batch normalisation and Adam are of 2010 to 2015, the photographs of 2009."
)


@dataclass(frozen=True)
class LeNetSettings:
    """Of LeNet-5, trained by Adam. The learning rate falls along a line to 0."""

    epochs: int = 6
    batch: int = 128
    lr: float = 4e-3


@dataclass(frozen=True)
class PhotographSettings:
    """Of the network for photographs, trained by SGD with Nesterov's momentum.

    The learning rate rises during a fifth of the steps, and falls along a line to 0.
    """

    epochs: int = 3
    batch: int = 128
    lr: float = 0.2
    weight_decay: float = 5e-4
    label_smoothing: float = 0.1
    painted_lr: float = 0.05  # painted digits are smoother, and at 0.2 nothing is learned


@dataclass(frozen=True)
class Recipe:
    """Both trainings."""

    digits: LeNetSettings = LeNetSettings()
    photographs: PhotographSettings = PhotographSettings()


RECIPES = {
    "quick": Recipe(LeNetSettings(epochs=1), PhotographSettings(epochs=1)),
    "full": Recipe(),
}

# gate and goal: shares of the test images. Measured for each kind and recipe, not to be compared.
DIGIT_BOUNDS = {
    ("full", True): (0.985, 0.99),
    ("quick", True): (0.97, 0.98),
    ("full", False): (0.95, 0.98),
    ("quick", False): (0.85, 0.95),
}
PHOTOGRAPH_BOUNDS = {
    ("full", True): (0.75, 0.80),
    ("quick", True): (0.70, 0.74),
    ("full", False): (0.90, 0.95),
    ("quick", False): (0.80, 0.90),
}


@milestone(CONVOLUTION, RECIPES, HISTORY)
def run(stage: Stage, recipe: Recipe) -> None:
    """Train both networks, and look at what they learned and what they mistake."""
    data = digits(stage)
    of_digits = stage.result.data
    views = photographs(stage)
    stage.result.data = {
        "name": f"{data.name} and {views.name}",
        "digits": of_digits,
        "photographs": stage.result.data,
    }
    first, second = stage.rng.spawn(2)  # so that a resumed run draws the same for the second
    read = read_digits(stage, recipe.digits, data, first)
    seen = see_photographs(stage, recipe.photographs, views, second)
    stage.clear_checkpoints()

    bounds = stage.result.recipe, data.real
    conclude(stage, f"LeNet-5 on {data.name}", read, DIGIT_BOUNDS[bounds])
    bounds = stage.result.recipe, views.real
    conclude(stage, f"the network on {views.name}", seen, PHOTOGRAPH_BOUNDS[bounds])


def read_digits(
    stage: Stage, settings: LeNetSettings, data: Digits, rng: np.random.Generator
) -> Judgement:
    """Train LeNet-5."""
    model = LeNet5(rng=rng)
    stage.tell(f"LeNet-5 reads {data.name}: {model.num_parameters():,} parameters.")
    train = DataLoader(data.train, settings.batch, shuffle=True, rng=rng)
    steps = count_steps(train, settings.epochs)
    trainer = {
        "loss": CrossEntropyLoss(),
        "optimizer": Adam(model.parameters(), lr=settings.lr),
        "schedule": LinearSchedule(steps),
    }
    fit(stage, "digits", model, trainer, train, DataLoader(data.test, 1000), settings.epochs)
    judgement = judge(model, data.test)
    filters = model.layers[0].weight.data  # type: ignore[attr-defined]
    show(stage, "lenet5", model, judgement, filters, "Filters of the first convolution:")
    return judgement


def see_photographs(
    stage: Stage, settings: PhotographSettings, data: Photographs, rng: np.random.Generator
) -> Judgement:
    """Train the convolutional network, and ask it about every image and its mirror image."""
    model = train_on_photographs(stage, settings, data, rng)
    judgement = judge(model, data.test, mirrored=data.real)
    if data.real:
        stage.tell(
            "Each epoch asked about every test image once. What is judged adds up the answers to "
            f"the image and to its mirror image: {judgement.accuracy():.2%}."
        )
    told = "Filters of the first convolution, computed from the images, not trained:"
    show(stage, "cifar_cnn", model, judgement, model.stem.weight.data[26::-1], told)
    return judgement


def train_on_photographs(
    stage: Stage, settings: PhotographSettings, data: Photographs, rng: np.random.Generator
) -> CifarCNN:
    """Train the convolutional network; milestone 2018 measures it."""
    model = CifarCNN(rng=rng)
    model.whiten(data.train.get_batch(np.arange(min(5000, len(data.train))))[0])
    stage.tell(f"Four convolutions see {data.name}: {model.num_parameters():,} parameters.")
    mirror = RandomHorizontalFlip(0.5 if data.real else 0)  # a mirrored digit is none
    train = DataLoader(data.train, settings.batch, shuffle=True, rng=rng, transform=mirror)
    steps = count_steps(train, settings.epochs)
    rising = steps // 5
    lr = settings.lr if data.real else settings.painted_lr
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    trainer = {
        "loss": CrossEntropyLoss(label_smoothing=settings.label_smoothing),
        "optimizer": SGD(
            trained, lr, momentum=0.9, weight_decay=settings.weight_decay, nesterov=True
        ),
        "schedule": warm_up(LinearSchedule(max(1, steps - rising)), rising),
    }
    name = "photographs" if data.real else data.name
    fit(stage, name, model, trainer, train, DataLoader(data.test, 1000), settings.epochs)
    return model


def fit(
    stage: Stage, name: str, model: Module, parts: dict[str, Any], train: DataLoader,
    test: DataLoader, epochs: int,
) -> History:  # fmt: skip
    """Train, or go on with a training that was stopped."""
    shown = Epochs(stage, count_steps(train, epochs))
    folder = stage.checkpoints()
    here = None if folder is None else folder / name
    trainer = Trainer(
        model,
        parts["loss"],
        parts["optimizer"],
        schedule=parts["schedule"],
        checkpoints=here,
        progress=shown,
    )
    history = display.train(stage, trainer, shown, (train, test), epochs, here)
    if shown.losses:
        stage.plot(f"training loss, {name}", shown.losses, log=True, first=shown.first)
    stage.curve(f"test accuracy, {name}", history.column("validation_accuracy"), "epoch")
    stage.number(f"parameters, {name}", model.num_parameters())
    stage.number(f"seconds, {name}", round(sum(history.column("seconds")), 1))
    return history


def show(
    stage: Stage, name: str, model: Module, judgement: Judgement, filters: np.ndarray, told: str
) -> None:
    """Draw the confusions, some filters and the surest mistakes; keep them and the weights."""
    stage.tell("What was taken for what; a row for each class:")
    headers, rows = confusion_rows(judgement)
    stage.table(headers, rows, right=tuple(range(1, len(headers))))
    stage.tell(told)
    some = [shaded(picture, 10) for picture in filters[:6]]
    stage.picture(side_by_side(some, [""] * len(some)))
    wrong = judgement.mistakes(2)
    if len(wrong):
        stage.tell("Mistakes that it was surest of:")
        drawn = [shaded(judgement.data.images[i], 32) for i in wrong]
        stage.picture(side_by_side(drawn, [caption(judgement, i) for i in wrong]))
    stage.number(f"confusion, {name}", judgement.confusion().tolist())
    if stage.folder is None:
        return
    path = Path(stage.folder)
    path.mkdir(parents=True, exist_ok=True)
    texts = {
        "command": stage.result.command,
        "seed": str(stage.result.seed),
        "data": str(judgement.data.name),
        "test accuracy": f"{judgement.accuracy():.4f}",
    }
    save(model.state_dict(), path / f"{name}.safetensors", texts)
    stage.screen.line()
    stage.written(path / f"{name}.safetensors", "the weights")
    title = f"{name} on {judgement.data.name}"
    if save_png(path / f"{name}.png", title, judgement, filters, told.rstrip(":")) is not None:
        stage.written(path / f"{name}.png", "what was taken for what, filters and mistakes")


def conclude(stage: Stage, what: str, judgement: Judgement, bounds: tuple[float, float]) -> None:
    """Judge the share of test images that a network was right about."""
    gate, goal = bounds
    accuracy = judgement.accuracy()
    stage.number(f"test accuracy of {what}", accuracy)
    stage.gate(f"{what}, test accuracy", accuracy, at_least=gate, percent=True)
    stage.goal(f"{what}, test accuracy", accuracy, at_least=goal, percent=True)
