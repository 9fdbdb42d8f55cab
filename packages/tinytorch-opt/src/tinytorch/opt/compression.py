"""Module 16: compression. Which weights a network can do without, and how it learns without them.

A weight near zero changes little; set it to zero, train on, and the others take over its part.
This file holds magnitude pruning: which weights go (`magnitude_masks`), how they stay zero while
the rest is trained (`Pruning`), and how their number grows bit by bit (`GradualPruning`).

Left out: zeros alone make no file smaller and nothing faster. What is gained by them is written by
`packing.py`; whole channels are taken out of the shapes by `structured.py`; `low_rank.py` and
`distillation.py` are two further ways to a smaller network.
"""

from __future__ import annotations

import numbers
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from tinytorch.core.layers import Module
from tinytorch.core.primitive import Array
from tinytorch.core.tensor import Tensor

Masks = dict[str, Array]  # by a parameter's name: True where the weight stays


# Which weights go
def prunable(model: Module, names: Iterable[str] | None = None) -> dict[str, Tensor]:
    """Return the parameters that pruning is about, by name: weights with two axes or more.

    Biases and the parameters of normalisation have one axis: they are few, and each moves a whole
    channel. Frozen parameters are left alone as well.

    names  take these only. Raises KeyError for one that is none of them, ValueError if there is
           nothing to prune.
    """
    found = {
        name: parameter
        for name, parameter in model.named_parameters()
        if parameter.ndim >= 2 and parameter.requires_grad
    }
    if not found:
        raise ValueError(
            f"{type(model).__name__} has no weight with two axes or more that is not frozen: "
            "there is nothing to prune"
        )
    if names is None:
        return found
    wanted = list(names)
    for name in wanted:
        if name not in found:
            raise KeyError(f"there is no weight {name!r} to prune; there are {', '.join(found)}")
    return {name: found[name] for name in wanted}


def smallest(magnitudes: Array, count: int) -> Array:
    """Return the places of the `count` smallest of `magnitudes` (n,).

    Of equal ones, the first are taken, so that two runs prune the same weights.
    """
    return np.argsort(magnitudes, kind="stable")[:count]


def magnitude_masks(
    model: Module,
    sparsity: float,
    scope: str = "global",
    names: Iterable[str] | None = None,
) -> Masks:
    """Choose the weights that stay: all but the share `sparsity` that is nearest to zero.

    sparsity  the share to prune, from 0 up to (not including) 1; exactly round(sparsity * n) go
    scope     "global": the n weights of all layers are compared, so that layers which need more
              keep more. "layer": each layer loses the same share of its own
    names     of the weights that take part; see `prunable`

    Nothing is changed yet. Han et al., "Learning both weights and connections for efficient neural
    networks", 2015. Raises ValueError, KeyError.
    """
    check_share("sparsity", sparsity)
    if scope not in ("global", "layer"):
        raise ValueError(f'magnitude_masks: scope is {scope!r}; it must be "global" or "layer"')
    weights = {name: np.abs(tensor.data) for name, tensor in prunable(model, names).items()}
    if scope == "layer":
        return {name: _mask([w], sparsity)[0] for name, w in weights.items()}
    return dict(zip(weights, _mask(list(weights.values()), sparsity), strict=True))


def _mask(magnitudes: list[Array], sparsity: float) -> list[Array]:
    """Return masks for some arrays whose elements are compared with each other."""
    together = np.concatenate([m.reshape(-1) for m in magnitudes])
    if not np.isfinite(together).all():
        raise ValueError("the model has weights that are no numbers, which cannot be compared")
    stays = np.ones(len(together), bool)
    stays[smallest(together, round(sparsity * len(together)))] = False
    ends = np.cumsum([m.size for m in magnitudes])[:-1]
    parts = np.split(stays, ends)
    return [part.reshape(m.shape) for part, m in zip(parts, magnitudes, strict=True)]


def check_share(name: str, share: float) -> None:
    """Raise ValueError unless a share of the weights to prune leaves some, TypeError for text."""
    if not isinstance(share, numbers.Real):
        raise TypeError(f"{name}={share!r}: the share of weights to prune is a number")
    if not 0 <= share < 1:
        raise ValueError(f"{name}={share}: the share of weights to prune is at least 0, below 1")


def masks_of_zeros(model: Module, names: Iterable[str] | None = None) -> Masks:
    """Return the masks that keep what is 0 now: of a pruned model that was loaded, say."""
    return {name: tensor.data != 0 for name, tensor in prunable(model, names).items()}


# How they stay zero
def apply_masks(model: Module, masks: Mapping[str, Array]) -> None:
    """Set the weights that `masks` say no to to 0, in place. Raises KeyError, ValueError."""
    parameters = dict(model.named_parameters())
    for name, mask in masks.items():
        if name not in parameters:
            raise KeyError(f"{type(model).__name__} has no parameter {name!r}")
        parameter = parameters[name]
        if mask.shape != parameter.shape:
            raise ValueError(
                f"{name}: a mask of shape {mask.shape} for a weight of {parameter.shape}; masks "
                "are made from the model that they are for"
            )
        parameter.data[~mask] = 0  # not a product: 0 times infinity is no number
        parameter.data = parameter.data  # tells the tensor that it was changed in place


class Pruning:
    """Masks that hold while the rest is trained: `Trainer(..., after_step=Pruning(model, masks))`.

    A pruned weight still has a gradient, and momentum or weight decay may move it; so after each
    step of the optimizer it is set to 0 once more. It is set to 0 at once, too.
    """

    def __init__(self, model: Module, masks: Mapping[str, Array]) -> None:
        self.model = model
        self.masks = dict(masks)
        apply_masks(model, self.masks)

    def __call__(self, step: int) -> None:
        apply_masks(self.model, self.masks)


# How their number grows
@dataclass(frozen=True)
class CubicSparsity:
    """From the number of a step to a sparsity: from `initial` at `begin` to `final` at `end`.

    It grows fast at first, while there is much to spare, and ever slower:
    final + (initial - final) (1 - (step - begin) / (end - begin))^3. Zhu and Gupta, "To prune, or
    not to prune", 2017, equation 1.
    """

    final: float
    begin: int
    end: int
    initial: float = 0.0

    def __post_init__(self) -> None:
        check_share("final", self.final)
        check_share("initial", self.initial)
        if not 0 <= self.begin < self.end or self.initial > self.final:
            raise ValueError(
                f"{self}: it must begin at step 0 or later and end after that, and must not fall"
            )

    def __call__(self, step: int) -> float:
        done = min(max(step - self.begin, 0) / (self.end - self.begin), 1.0)
        return self.final + (self.initial - self.final) * (1 - done) ** 3


class GradualPruning:
    """Prunes more and more during training: `Trainer(..., after_step=GradualPruning(...))`.

    schedule  from the number of a step to the sparsity it should have, e.g. `CubicSparsity`
    every     so many steps pass before more is pruned, in which the network recovers
    scope, names  as for `magnitude_masks`

    What was pruned stays so, because nothing is smaller than 0. After `trainer.resume(path)`, call
    `take_up()`: the zeros of the checkpoint are then the masks.
    """

    def __init__(
        self,
        model: Module,
        schedule: Callable[[int], float],
        every: int = 100,
        scope: str = "global",
        names: Iterable[str] | None = None,
    ) -> None:
        if every < 1:
            raise ValueError(f"GradualPruning: every={every}: at least 1 step must pass")
        self.model, self.schedule, self.every, self.scope = model, schedule, every, scope
        self.names = list(prunable(model, names))
        self.masks: Masks | None = None

    def take_up(self) -> None:
        """Hold what is 0 now, and go on from there."""
        self.masks = masks_of_zeros(self.model, self.names)

    def __call__(self, step: int) -> None:
        if step % self.every == 0:
            share = self.schedule(step)
            self.masks = magnitude_masks(self.model, share, self.scope, self.names)
        if self.masks is None:
            if self.schedule(step) > 0 and step > self.every:
                raise RuntimeError(
                    f"GradualPruning: its first step is number {step}, when some weights should "
                    "be pruned already. After trainer.resume(...), call take_up()"
                )
            return
        apply_masks(self.model, self.masks)


# How many there are
@dataclass(frozen=True)
class Zeros:
    """How many of a parameter's elements are exactly 0."""

    name: str
    shape: tuple[int, ...]
    zeros: int
    size: int

    @property
    def share(self) -> float:
        """Zeros among all elements."""
        return self.zeros / self.size


class SparsityReport(tuple[Zeros, ...]):
    """One row for each parameter; as text, a table with the sum below."""

    @property
    def total(self) -> Zeros:
        """All parameters together."""
        zeros, size = sum(row.zeros for row in self), sum(row.size for row in self)
        return Zeros("all", (), zeros, size)

    def __str__(self) -> str:
        lines = [f"{'parameter':<28}{'shape':>18}{'elements':>11}{'zeros':>11}{'share':>8}"]
        for row in (*self, self.total):
            shape = " x ".join(map(str, row.shape))
            lines.append(
                f"{row.name:<28}{shape:>18}{row.size:>11,}{row.zeros:>11,}{row.share:>8.1%}"
            )
        return "\n".join(lines)


def sparsity_of(model: Module) -> SparsityReport:
    """Count the zeros of each parameter: `print(sparsity_of(model))`."""
    return SparsityReport(
        Zeros(name, p.shape, int(p.size - np.count_nonzero(p.data)), p.size)
        for name, p in model.named_parameters()
    )
