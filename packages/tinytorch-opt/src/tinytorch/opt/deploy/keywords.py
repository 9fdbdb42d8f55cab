"""A spoken word, recognised: DS-CNN, trained on what of Speech Commands is at hand.

    python -m tinytorch.opt.deploy.keywords --out runs/keywords

3,840 clips to learn from (the official training set has 84,843), 1,050 of other speakers to be
judged by, once, at the end. Interrupted, the same command goes on. The clips are those of P.
Warden, "Speech Commands", 2018, CC BY 4.0. Left out: MLPerf Tiny's own training, which has twenty
times the clips, and noise mixed into sound: here only maps are changed.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tinytorch import __version__ as core_version
from tinytorch.arch.models import DSCNN
from tinytorch.core.files import AnyPath
from tinytorch.core.layers import Module
from tinytorch.core.primitive import Array
from tinytorch.core.serialization import load, load_metadata, save
from tinytorch.core.training import Trainer, count_steps, evaluate, warm_up
from tinytorch.data import DataLoader, TensorDataset
from tinytorch.nn import CrossEntropyLoss
from tinytorch.opt.deploy.speech import WORDS, Clips, real
from tinytorch.optim import AdamW, CosineSchedule

WEIGHTS = Path(__file__).parents[1] / "weights" / "dscnn.safetensors"


@dataclass(frozen=True)
class Recipe:
    """Of the training. The learning rate rises during two epochs and falls along half a cosine."""

    epochs: int = 60
    batch: int = 64
    lr: float = 3e-3
    weight_decay: float = 0.02
    label_smoothing: float = 0.05
    seed: int = 0


@dataclass(frozen=True)
class Vary:
    """Say each word differently: later, slower, through another microphone, with a gap, in noise.

    shift  by at most so many frames of 20 ms, each way
    tempo  faster or slower by at most this share
    tone   standard deviation of what is added to a coefficient throughout a clip
    noise  and to each number of it
    gap    at most so many frames are replaced by the mean. Park et al., "SpecAugment", 2019

    Maps (B, 1, frames, coefficients), standardised.
    """

    shift: float = 6
    tempo: float = 0.15
    tone: float = 0.25
    noise: float = 0.15
    gap: int = 8

    def __call__(self, maps: Array, rng: np.random.Generator) -> Array:
        count, _, frames, _ = maps.shape
        middle = (frames - 1) / 2
        rate = 1 + self.tempo * rng.uniform(-1, 1, (count, 1))
        moved = self.shift * rng.uniform(-1, 1, (count, 1))
        at = (np.arange(frames) - middle) * rate + middle + moved  # (B, frames)
        at = np.clip(at, 0, frames - 1)
        below = np.minimum(at.astype(int), frames - 2)
        share = (at - below)[..., None].astype(np.float32)  # (B, frames, 1)
        clip = np.arange(count)[:, None]
        before, after = maps[clip, 0, below], maps[clip, 0, below + 1]  # (B, frames, coefficients)
        out = before + share * (after - before)
        out += self.tone * rng.standard_normal((count, 1, out.shape[2]), np.float32)
        out += self.noise * rng.standard_normal(out.shape, np.float32)
        length = rng.integers(0, self.gap + 1, (count, 1))
        start = rng.integers(0, frames - length + 1)
        place = np.arange(frames)
        out[(start <= place) & (place < start + length)] = 0
        return out[:, None]


def standard(maps: Array, fit: Array) -> tuple[Array, Array, Array]:
    """Maps (N, 1, 49, 10) of mean 0 and deviation 1 in each coefficient of the clips to fit."""
    values = real(maps)
    mean = values[fit].mean(axis=(0, 1), dtype=np.float64).astype(np.float32)
    std = values[fit].std(axis=(0, 1), dtype=np.float64).astype(np.float32)
    return ((values - mean) / std)[:, None], mean, std


def train(out: AnyPath, recipe: Recipe, clips: Clips, *, progress: bool = True) -> dict[str, Any]:
    """Train, or go on; write OUT/dscnn.safetensors, and return what is known of the weights."""
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    maps, mean, std = standard(clips.maps, clips.fit)
    rng = np.random.default_rng(recipe.seed)
    model = DSCNN(rng=rng)
    learned = TensorDataset(maps[clips.fit], clips.labels[clips.fit])
    judged = TensorDataset(maps[~clips.fit], clips.labels[~clips.fit])
    loader = DataLoader(learned, recipe.batch, shuffle=True, rng=rng, transform=Vary())
    steps, rising = count_steps(loader, recipe.epochs), count_steps(loader, 2)
    trainer = Trainer(
        model,
        CrossEntropyLoss(label_smoothing=recipe.label_smoothing),
        AdamW(model.parameters(), recipe.lr, weight_decay=recipe.weight_decay),
        schedule=warm_up(CosineSchedule(max(1, steps - rising)), rising),
        clip_norm=5.0,
        checkpoints=folder,
        progress=progress,
    )
    if (folder / "last.safetensors").is_file():
        trainer.resume(folder / "last.safetensors")
    history = trainer.fit(loader, epochs=recipe.epochs)
    measured = evaluate(model, CrossEntropyLoss(), DataLoader(judged, 350))
    facts: dict[str, Any] = {
        "command": f"python -m tinytorch.opt.deploy.keywords --epochs {recipe.epochs} "
        f"--seed {recipe.seed} --out DIR",
        "seed": recipe.seed,
        "data": "Speech Commands v0.02 test files, 3,840 clips to fit and 1,050 of other speakers",
        "accuracy": measured["accuracy"],
        "settings": asdict(recipe) | {"vary": asdict(Vary())},
        "labels": WORDS,
        "mean": [round(float(v), 6) for v in mean],
        "std": [round(float(v), 6) for v in std],
        "versions": {
            "tinytorch-core": core_version,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
        "log": {"train_loss": [round(row["train_loss"], 4) for row in history]},
    }
    texts = {key: v if isinstance(v, str) else json.dumps(v) for key, v in facts.items()}
    save(model.state_dict(), folder / "dscnn.safetensors", texts)
    return facts


def keyword_model() -> tuple[Module, dict[str, Any]]:
    """DS-CNN with the weights that come with the package, in evaluation mode, and their facts.

    It reads standardised MFCC (N, 1, 49, 10) and gives 12 scores; facts has "labels", "mean",
    "std", "accuracy", "command", "seed", "log".
    """
    model = DSCNN()
    model.load_state_dict(load(WEIGHTS))
    texts = load_metadata(WEIGHTS)
    facts = {
        key: json.loads(text) if text[:1] in "[{" or key in ("accuracy", "seed") else text
        for key, text in texts.items()
    }
    return model.eval(), facts


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tinytorch.opt.deploy.keywords")
    parser.add_argument("--out", required=True, help="folder for checkpoints and weights")
    parser.add_argument("--epochs", type=int, default=Recipe.epochs)
    parser.add_argument("--seed", type=int, default=Recipe.seed)
    given = parser.parse_args(arguments)
    recipe = Recipe(epochs=given.epochs, seed=given.seed)
    facts = train(given.out, recipe, Clips())
    print(
        f"{facts['accuracy']:.2%} of 1,050 clips of other speakers: {given.out}/dscnn.safetensors"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
