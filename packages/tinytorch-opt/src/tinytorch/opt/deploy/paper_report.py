"""How often a digit on paper is read, and how often something else is taken for one.

    python -m tinytorch.opt.deploy.paper_report

On photographs made by code (`photographs.py`) of MNIST's test digits, or of drawn digits where
MNIST is not at hand, with LeNet-5 as it comes with the package. Thresholds were chosen with
`--choose`, on MNIST's training digits and another seed. Left out: a real camera.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tinytorch.arch.trained import trained
from tinytorch.core.context import no_grad
from tinytorch.core.primitive import Array
from tinytorch.core.tensor import Tensor
from tinytorch.datasets import MNIST, DrawnDigits, ImageDataset, available
from tinytorch.opt.deploy.bundles import DIGIT_ON_PAPER
from tinytorch.opt.deploy.photographs import NON_DIGITS, doubtful, photograph

Finder = Callable[[Array], Array]


@dataclass(frozen=True)
class Answers:
    """Scores of what was found in photographs, and how many there were.

    scores  (found, 10); labels (found,), of digits
    """

    scores: Array
    labels: Array
    photographs: int

    def answered(self, probability: float, score: float) -> Array:
        """Which of those that were found are answered, (found,) bool."""
        if not len(self.scores):
            return np.zeros(0, bool)
        best = self.scores.max(axis=1)
        share = 1 / np.exp(self.scores - best[:, None]).sum(axis=1)
        return (share >= probability) & (best >= score)


def finder() -> tuple[Finder, type[Exception]]:
    """`find_digit` of a photograph, from the bundle's own programs, and the error it raises."""
    scripts = str(Path(__file__).with_name("scripts"))
    sys.path.insert(0, scripts)  # they import each other from their own folder
    try:
        import paper
        import pictures
    finally:
        sys.path.remove(scripts)
    return lambda photo: paper.find_digit(pictures.grey(photo)), paper.NotADigitError


def ask(photos: Sequence[Array], labels: Sequence[int] | None = None) -> Answers:
    """Find what is in photographs (H, W, 3) uint8, and score it."""
    find, refused = finder()
    found, kept = [], []
    for i, photo in enumerate(photos):
        try:
            found.append(find(photo))
        except refused:
            continue
        kept.append(-1 if labels is None else labels[i])
    if not found:
        return Answers(np.zeros((0, 10)), np.zeros(0, int), len(photos))
    x = np.stack(found)[:, None]  # (found, 1, 28, 28)
    x = (x - DIGIT_ON_PAPER["mean"][0]) / DIGIT_ON_PAPER["std"][0]
    with no_grad():
        scores = trained("lenet5")(Tensor(x.astype(np.float32))).data
    return Answers(scores.astype(np.float64), np.array(kept), len(photos))


def digits(data: ImageDataset, count: int, rng: np.random.Generator) -> Answers:
    """Photographs of `count` digits, drawn from a data set."""
    chosen = rng.choice(len(data), count, replace=False)
    photos = [photograph(data.images[i, 0] / 255, rng) for i in chosen]
    return ask(photos, [int(data.labels[i]) for i in chosen])


def others(name: str, count: int, rng: np.random.Generator) -> Answers:
    """Photographs of what is no digit: a kind of `NON_DIGITS`, or "doubtful"."""
    make = doubtful if name == "doubtful" else NON_DIGITS[name]
    return ask([photograph(make(rng), rng, fills=name == "textures") for _ in range(count)])


def line(name: str, found: Answers, probability: float, score: float) -> str:
    """A row of the report."""
    sure = found.answered(probability, score)
    share = sure.sum() / found.photographs
    row = f"{name:<12}{found.photographs:>8}{len(sure) / found.photographs:>9.1%}{share:>10.1%}"
    if (found.labels >= 0).any():
        right = found.scores.argmax(axis=1) == found.labels
        wrong = (sure & ~right).sum() / max(1, sure.sum())
        return f"{row}{right.sum() / found.photographs:>15.1%}{wrong:>15.2%}"
    return f"{row}{'':>15}{'':>15}{1 - share:>10.1%}"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tinytorch.opt.deploy.paper_report")
    parser.add_argument("--count", type=int, default=1000, help="digits; a fifth of each other")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--choose", action="store_true", help="compare thresholds")
    given = parser.parse_args(arguments)
    real = available("mnist")
    split = "train" if given.choose else "test"
    data: Any = MNIST(split) if real else DrawnDigits(split)
    rng = np.random.default_rng(given.seed if given.seed is not None else 11 if given.choose else 7)
    of_digits = digits(data, given.count, rng)
    names = [*NON_DIGITS, "doubtful"]
    of_others = {name: others(name, max(1, given.count // 5), rng) for name in names}
    print(f"photographs made by code; digits of {'MNIST' if real else 'DrawnDigits'} ({split})")
    least = DIGIT_ON_PAPER["reject"]
    pairs = [(least["probability"], least["score"])]
    if given.choose:
        pairs = [(p, s) for p in (0.9, 0.98, 0.99, 0.995) for s in (0.0, 7.0, 8.0, 9.0, 10.0)]
    for probability, score in pairs:
        print(f"\nanswered if the probability is at least {probability} and the score {score}")
        print(f"{'':<12}{'photos':>8}{'found':>9}{'answered':>10}{'right guesses':>15}"
              f"{'wrong answers':>15}{'rejected':>10}")  # fmt: skip
        print(line("digits", of_digits, probability, score))
        for name, found in of_others.items():
            print(line(name, found, probability, score))
    return 0


if __name__ == "__main__":
    sys.exit(main())
