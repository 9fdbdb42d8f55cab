"""The three models that milestone 2018 measures: two of 1998 and the writer of 2017.

LeNet-5 comes with tinytorch-arch. The other two are read from the folders that `tito milestone run
1998 --out DIR` and `2017 --out DIR` wrote, where `--set models=DIR` says so, and trained here
otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tinytorch.arch.milestones import m1998, m2017
from tinytorch.arch.milestones.photographs import Photographs, photographs
from tinytorch.arch.milestones.texts import InOrder, Text, text
from tinytorch.arch.milestones.writer import load_writer, save_writer
from tinytorch.arch.models import CifarCNN
from tinytorch.arch.tokenization import CharTokenizer
from tinytorch.arch.trained import trained
from tinytorch.arch.transformers import Transformer
from tinytorch.core.layers import Module
from tinytorch.core.losses import CrossEntropyLoss
from tinytorch.core.milestones.digits import Digits, digits
from tinytorch.core.milestones.frame import Stage
from tinytorch.core.milestones.settings import SettingError
from tinytorch.core.optimizers import Adam
from tinytorch.core.serialization import load, save
from tinytorch.core.training import LinearSchedule, Trainer, count_steps
from tinytorch.data import DataLoader

PHOTOGRAPHS = "cifar_cnn.safetensors"
WRITER = "gpt.safetensors"


@dataclass(frozen=True)
class Data:
    """What the models are judged on."""

    digits: Digits
    photographs: Photographs
    text: Text

    @property
    def real(self) -> bool:
        """Whether none of it is made by code."""
        return self.digits.real and self.photographs.real and self.text.real


def data_for(stage: Stage) -> Data:
    """Load the three data sets, or what takes their place; say and record which."""
    of_digits, of_photographs = digits(stage), photographs(stage)
    wanted, stage.wanted_data = stage.wanted_data, "almanac" if stage.wanted_data else None
    found = Data(of_digits, of_photographs, text(stage))
    stage.wanted_data = wanted
    names = [found.digits.name, found.photographs.name, found.text.name]
    stage.result.data = {"name": ", ".join(names), "real": found.real}
    return found


def reader(stage: Stage, settings: m1998.LeNetSettings, data: Data) -> Module:
    """LeNet-5, with the weights that tinytorch-arch brings.

    They read MNIST. Where that is not at hand the network learns the drawn digits first: only what
    it was trained for can show what smaller forms of it lose.
    """
    model = trained("lenet5")
    if data.digits.real:
        return model
    stage.tell(f"LeNet-5 learns {data.digits.name} first; its weights are of MNIST.")
    rng = stage.rng.spawn(1)[0]
    batches = DataLoader(data.digits.train, settings.batch, shuffle=True, rng=rng)
    Trainer(
        model,
        CrossEntropyLoss(),
        Adam(model.parameters(), lr=settings.lr),
        schedule=LinearSchedule(count_steps(batches, settings.epochs)),
        progress=False,
    ).fit(batches, epochs=settings.epochs)
    return model.eval()


def seer(stage: Stage, models: str, settings: m1998.PhotographSettings, data: Data) -> Module:
    """The network for photographs: read, or trained here."""
    path = find(stage, models, PHOTOGRAPHS)
    if path is not None:
        model = CifarCNN()
        model.load_state_dict(load(path))
        stage.tell(f"The network for photographs is that of {path}.")
        return model.eval()
    stage.tell("The network for photographs is trained first, as in 1998.")
    model = m1998.train_on_photographs(stage, settings, data.photographs, stage.rng.spawn(1)[0])
    if data.photographs.real:
        keep(stage, PHOTOGRAPHS, lambda path: save(model.state_dict(), path))
    return model.eval()


def writer(
    stage: Stage, models: str, recipe: m2017.Recipe, data: Data
) -> tuple[Transformer, CharTokenizer]:
    """The GPT and its characters: read, or trained here."""
    path = find(stage, models, WRITER)
    if path is not None:
        model, tokenizer = load_writer(path)
        stage.tell(f"The writer is that of {path}.")
    else:
        stage.tell("The writer is trained first, as in 2017.")
        tokenizer = CharTokenizer(data.text.data.text)
        model = m2017.train(stage, recipe, data.text, tokenizer)
        if data.text.real:
            keep(stage, WRITER, lambda path: save_writer(model, tokenizer, path))
    model.eval()
    return model, tokenizer


def unseen(data: Data, tokenizer: CharTokenizer, context: int, batches: int) -> list[Any]:
    """Some batches of the text that the writer was not trained on: pairs (tokens, next tokens)."""
    ids = np.array(tokenizer.encode(data.text.data.validation))
    some = iter(InOrder(ids, context, 16))
    return [batch for batch, _ in zip(some, range(batches), strict=False)]


def images(data: Any, count: int) -> Sequence[Any]:
    """The first `count` test images, prepared as the network takes them."""
    found, _ = data.get_batch(np.arange(min(count, len(data))))
    return list(found)


def find(stage: Stage, models: str, name: str) -> Path | None:
    """A file of weights: in the folder of `--set models=...` or inside it, or kept from before.

    Raises SettingError for a folder that is named and holds none.
    """
    if models:
        found = sorted(Path(models).expanduser().rglob(name))
        if not found:
            year = "1998" if name == PHOTOGRAPHS else "2017"
            raise SettingError(
                f"models={models}: no {name} in it or the folders in it: "
                f"tito milestone run {year} --out DIR writes one"
            )
        return found[0]
    kept = None if stage.folder is None else stage.folder / "models" / name
    return kept if kept is not None and kept.exists() else None


def keep(stage: Stage, name: str, write: Any) -> None:
    """Write what was trained here, so that the same command need not train it again."""
    if stage.folder is None:
        return
    path = stage.folder / "models" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path)
    stage.tell(f"Written: {path}")
