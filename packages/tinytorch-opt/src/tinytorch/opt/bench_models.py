"""What `tito bench` measures of each model: latency, bytes, memory, accuracy, energy, scenarios.

Left out: what is typed and what is shown (`bench_command.py`), and how each number comes about
(`benchmarking.py`, `scenarios.py`, `energy.py`).

Peak memory here is what one call without gradients holds at once, as `tracemalloc` sees it: results
that are alive, Python's objects, and what a kernel makes for itself on the way. Others count
otherwise. LeNet-5, one image: 37.6 kB in `tito profile` and `budgets.plan` (results alone), 44.9 kB
here, and 67.6 kB from `tinytorch.measure(model, x)` outside of `no_grad`, which keeps a record.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tinytorch.core.context import no_grad
from tinytorch.core.errors import ShapeError
from tinytorch.core.layers import Module
from tinytorch.core.measurement import peak_bytes
from tinytorch.core.tensor import Tensor
from tinytorch.datasets import CIFAR10, MNIST, FashionMNIST, ImageDataset
from tinytorch.datasets.drawn import DrawnDigits
from tinytorch.opt import scenarios
from tinytorch.opt.benchmarking import Benchmark, Comparison, benchmark, compare, holm, too_few
from tinytorch.opt.choosing_models import (
    ChoiceError,
    Shape,
    example_input,
    has_trained_weights,
    model_named,
    raise_in,
)
from tinytorch.opt.energy import Energy, energy_of
from tinytorch.opt.pareto import Pareto, pareto

DATA: dict[str, Callable[[], ImageDataset]] = {
    "mnist": lambda: MNIST("test"),
    "fashion-mnist": lambda: FashionMNIST("test"),
    "cifar-10": lambda: CIFAR10("test"),
    "drawn": lambda: DrawnDigits("test", 1000),
}
DRAWN = 64  # random examples that a scenario draws its samples from, where there are no data


@dataclass(frozen=True)
class Candidate:
    """A model, ready to be measured.

    untrained  whether its weights are drawn at random, so that its accuracy means nothing. A
               file's model without @WEIGHTS is made twice: drawn weights are others then
    x          a batch for it, (batch, *shape)
    data       labelled images to judge it by
    """

    name: str
    model: Module
    shape: Shape
    untrained: bool
    x: Tensor
    data: ImageDataset | None = None

    @property
    def weight_bytes(self) -> int:
        """Bytes of all parameters and buffers, each as it is stored."""
        return sum(array.nbytes for array in self.model.state_dict().values())

    def samples(self) -> Sequence[Any]:
        """Prepared examples for a scenario: of the data, where there are some."""
        if self.data is not None:
            images, _ = self.data.get_batch(list(range(min(1000, len(self.data)))))
            return list(images)
        return list(example_input(self.model, self.shape, DRAWN).data)

    def accuracy(self) -> float | None:
        """The share of the test images that it is right about; None without data."""
        if self.data is None:
            return None
        # images are made from pixels as they are asked for: 10,000 at once would take 120 MB
        answer, data = scenarios.answers_of(self.model), self.data
        return scenarios.accuracy(
            lambda indices: answer(list(data.get_batch(list(indices))[0])),
            range(len(data)),
            data.labels,  # type: ignore[arg-type]
            batch=100,
        )

    def facts(self) -> dict[str, Any]:
        """What it is, for JSON."""
        return {
            "name": self.name,
            "class": type(self.model).__name__,
            "parameters": self.model.num_parameters(),
            "weight_bytes": self.weight_bytes,
            "untrained": self.untrained,
            "input": list(self.x.shape),
        }


@dataclass(frozen=True)
class Measured:
    """What one model came to."""

    candidate: Candidate
    latency: Benchmark
    peak_bytes: int
    accuracy: float | None
    energy: Energy

    def record(self, samples: bool = True) -> dict[str, Any]:
        """All of it as JSON can hold it; without `samples` single times are only counted."""
        b = self.latency
        every = {"outliers": b.outliers, "wall": list(b.wall), "cpu": list(b.cpu)}
        counts = {"samples": len(b.wall), "outlier_count": len(b.outliers)}
        return {
            **self.candidate.facts(),
            "seconds": {
                "median": b.median,
                "interval": list(b.interval),
                "confidence": b.confidence,
                "p90": b.p90,
                "p99": b.p99,
                "cpu_share": b.cpu_share,
                "calls_per_sample": b.calls,
                "warm_up_samples": b.warm_up,
                "steady": b.steady,
                "too_few": too_few(len(b.wall), b.confidence),
                **counts,
                **(every if samples else {}),
            },
            "peak_bytes": self.peak_bytes,
            "accuracy": self.accuracy,
            "energy": self.energy.record(),
        }


@dataclass(frozen=True)
class Against:
    """A model compared with another; `adjusted` is p among all comparisons of the run (Holm)."""

    old: str
    new: str
    comparison: Comparison
    adjusted: float

    def record(self, samples: bool = True) -> dict[str, Any]:
        """All of it as JSON can hold it; without `samples` the pairs are only counted."""
        content = asdict(self.comparison)
        if not samples:
            del content["ratios"]
        return {
            "old": self.old,
            "new": self.new,
            "ratio": self.comparison.ratio,
            "verdict": self.verdict,
            "adjusted_p": self.adjusted,
            "pairs": len(self.comparison.ratios),
            **content,
        }

    @property
    def verdict(self) -> str:
        """The comparison's, unless so many were made that it may be chance."""
        found = self.comparison
        if found.different and self.adjusted >= 1 - found.confidence:
            return f"no difference shown: p = {self.adjusted:.2g} among all comparisons made here"
        return found.verdict


def candidate(
    name: str, shape: Shape | None, batch: int, data: ImageDataset | None, seed: int = 0
) -> Candidate:
    """Find a model and prepare its input; ChoiceError where they do not fit together."""
    model, size = model_named(name, shape)
    if data is None:
        x = example_input(model, size, batch, seed)
    else:
        images, _ = data.get_batch([i % len(data) for i in range(batch)])
        if images.shape[1:] != size:
            raise ChoiceError(
                f"{name} reads examples of shape {size}, and images of {data.name} are "
                f"{images.shape[1:]}: choose other data, or another model"
            )
        x = Tensor(images)
    if ".py" in name:
        untrained = "@" not in name and _drawn_anew(model, name, shape)
    else:
        untrained = not has_trained_weights(name)
    try:
        with no_grad():
            model(x)
    except ShapeError as error:
        raise ChoiceError(f"{name} cannot read a batch of shape {x.shape}: {error}") from None
    except Exception as error:
        if ".py:" in name:
            raise_in(Path(name.rpartition(".py:")[0] + ".py"), error)
        raise
    return Candidate(name, model, size, untrained, x, data)


def _drawn_anew(model: Module, name: str, shape: Shape | None) -> bool:
    """Whether making the model of a file once more gives other weights: then they are random."""
    before, after = model.state_dict(), model_named(name, shape)[0].state_dict()
    return any(
        key not in after or not np.array_equal(array, after[key]) for key, array in before.items()
    )


def names_of(models: Sequence[str], against: str | None) -> list[str]:
    """What is measured, in order: first what the others are compared with, which stands in once.

    A model given again is measured again: compared with itself, it shows what chance does.

    >>> names_of(["resnet8", "lenet5"], "lenet5")
    ['lenet5', 'resnet8']
    >>> names_of(["lenet5"], "lenet5"), names_of(["lenet5", "lenet5"], "lenet5")
    (['lenet5', 'lenet5'], ['lenet5', 'lenet5'])
    """
    others = list(models)
    if against is None:
        return others
    if against in others and len(others) > 1:
        others.remove(against)
    return [against, *others]


def with_short_names(found: Sequence[Candidate]) -> list[Candidate]:
    """The same, called by the names of their files without folders, unless two would be alike.

    One that was given twice has a number: "lenet5", "lenet5 (2)".
    """
    full = [one.name for one in found]
    names = ["@".join(Path(part).name for part in name.split("@")) for name in full]
    if len(set(names)) < len(set(full)):
        names = full
    earlier = [names[:i].count(name) for i, name in enumerate(names)]
    numbered = [f"{name} ({n + 1})" if n else name for name, n in zip(names, earlier, strict=True)]
    return [replace(one, name=name) for one, name in zip(found, numbered, strict=True)]


def measured(one: Candidate, repeats: int, seconds: float, seed: int = 0) -> Measured:
    """Measure a model on its batch, and its accuracy on its data. Latency first, and alone."""
    with no_grad():
        latency = benchmark(one.model, one.x, repeats=repeats, min_time=seconds, seed=seed)
        peak = peak_bytes(one.model, one.x)
        energy = energy_of(one.model, one.x, min_seconds=max(1.0, seconds))
    return Measured(one, latency, peak, one.accuracy(), energy)


def compared(
    old: Candidate, others: Sequence[Candidate], repeats: int, seconds: float, seed: int = 0
) -> list[Against]:
    """Compare each of the others with `old`, in pairs."""
    found = []
    for new in others:
        with no_grad():
            found.append(
                compare(
                    lambda: old.model(old.x),
                    lambda new=new: new.model(new.x),
                    pairs=repeats,
                    min_time=seconds,
                    seed=seed,
                )
            )
    adjusted = holm([each.p for each in found])
    return [
        Against(old.name, new.name, each, p)
        for new, each, p in zip(others, found, adjusted, strict=True)
    ]


def run_scenario(
    name: str, one: Candidate, *, bound: float, batch: int, seconds: float | None, seed: int = 0
) -> scenarios.Score:
    """Ask a model as one of the scenarios does: "single-stream", "server", ..."""
    answer, samples = scenarios.answers_of(one.model), one.samples()
    if name == "server":
        length = 2.0 if seconds is None else seconds
        return scenarios.server(
            answer, samples, bound=bound, max_batch=batch, min_seconds=length, seed=seed
        )
    length = 10.0 if seconds is None else seconds
    if name == "offline":
        return scenarios.offline(answer, samples, batch=batch, min_seconds=length, seed=seed)
    stream = {"single-stream": scenarios.single_stream, "multi-stream": scenarios.multi_stream}
    return stream[name](answer, samples, min_seconds=length, seed=seed)


def front_of(found: Sequence[Measured]) -> Pareto | None:
    """Which models are worth having by accuracy, bytes and time; None for fewer than two.

    Models without data, or whose weights are drawn at random, have no accuracy to compare.
    """
    points = {
        each.candidate.name: {
            "accuracy": each.accuracy,
            "bytes": float(each.candidate.weight_bytes),
            "median": each.latency.median,
        }
        for each in found
        if each.accuracy is not None and not each.candidate.untrained
    }
    if len(points) < 2:
        return None
    better = {"accuracy": "higher", "bytes": "lower", "median": "lower"}
    return pareto(points, better)
