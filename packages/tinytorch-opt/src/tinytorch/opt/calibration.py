"""Calibration: in which range the inputs of each layer lie, found by listening while a model runs.

An observer is shown every input of one layer and answers with a range. `MinMax` takes the smallest
and the largest number; `Percentile` and `Entropy` leave the rarest out, so that the others get
finer steps. What lies outside of a range is rounded to its end. Left out: what is done with the
ranges (`quantization.py`).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

import numpy as np

from tinytorch.core.context import listening, no_grad
from tinytorch.core.layers import Module
from tinytorch.core.primitive import Array, Event
from tinytorch.core.tensor import Tensor
from tinytorch.core.training import evaluating

LISTENED = ("linear", "conv2d")  # the primitives whose first operand is a layer's input
BINS = 2048


class Observer(Protocol):
    """What looks at the inputs of one layer."""

    def observe(self, x: Array) -> None:
        """Take in one batch of inputs, of any shape."""

    def range(self, bits: int = 8) -> tuple[float, float]:
        """The range (low, high) that so many bits should cover."""


class MinMax:
    """From the smallest number that was seen to the largest."""

    def __init__(self) -> None:
        self.low, self.high, self.count = np.inf, -np.inf, 0

    def observe(self, x: Array) -> None:
        if x.size:
            self.low = min(self.low, float(x.min()))
            self.high = max(self.high, float(x.max()))
            self.count += x.size

    def range(self, bits: int = 8) -> tuple[float, float]:
        _require_numbers(self.count)
        return self.low, self.high


class Histogram:
    """How many numbers lie where: BINS even bins over [low, high], kept up to date batch by batch.

    The bins grow to twice their width as often as new numbers need it, two neighbours becoming one,
    so no batch has to be kept. 0 is always a border between two bins: what is 0 stays apart from
    what is below.
    """

    def __init__(self) -> None:
        self.low, self.high, self.count = np.inf, -np.inf, 0  # of the numbers themselves
        self.width = 0.0  # of a bin; 0 until a number other than 0 was seen
        self.right = np.zeros(BINS, np.int64)  # bins over [0, BINS * width), the last one closed
        self.left = np.zeros(BINS, np.int64)  # the same below 0, by magnitude

    def observe(self, x: Array) -> None:
        if not x.size:
            return
        x = np.asarray(x, np.float64).reshape(-1)
        self.low, self.high = min(self.low, float(x.min())), max(self.high, float(x.max()))
        self.count += x.size
        largest = float(np.abs(x).max())
        if largest == 0:
            self.right[0] += x.size
            return
        if self.width == 0:
            self.width = largest / BINS
        while largest > self.width * BINS:
            self.right, self.left = _halved(self.right), _halved(self.left)
            self.width *= 2
        place = np.minimum(np.abs(x) / self.width, BINS - 1).astype(np.int64)
        below = x < 0
        self.left += np.bincount(place[below], minlength=BINS)
        self.right += np.bincount(place[~below], minlength=BINS)


def _halved(counts: Array) -> Array:
    """Two neighbouring bins each become one, and the upper half is free."""
    merged = counts.reshape(-1, 2).sum(axis=1)
    return np.concatenate([merged, np.zeros_like(merged)])


class Percentile(Histogram):
    """The range in which `percent` of the numbers lie, the rest in equal parts below and above.

    What has no numbers below 0, as after a ReLU, loses above only. The range ends at the border of
    a bin. Of fewer than 100 / (100 - percent) numbers none is left out.
    """

    def __init__(self, percent: float = 99.99) -> None:
        if not 50 < percent <= 100:
            raise ValueError(f"Percentile({percent}): the share that is kept, above 50, up to 100")
        super().__init__()
        self.percent = percent

    def range(self, bits: int = 8) -> tuple[float, float]:
        _require_numbers(self.count)
        one_sided = self.low >= 0 or self.high <= 0
        outside = self.count * (1 - self.percent / 100) / (1 if one_sided else 2)
        low = -self._reach(self.left, outside) if self.low < 0 else 0.0
        high = self._reach(self.right, outside) if self.high > 0 else 0.0
        return max(low, min(self.low, 0.0)), min(high, max(self.high, 0.0))

    def _reach(self, counts: Array, outside: float) -> float:
        """The border beyond which at most so many numbers lie."""
        beyond = np.cumsum(counts[::-1])[::-1]  # in this bin or a later one
        return float(self.width * np.count_nonzero(beyond > outside))


class Entropy(Histogram):
    """The range that loses least of what the distribution tells, as the divergence of Kullback.

    For each magnitude at which one could cut, the histogram up to there, with what lies beyond
    heaped on its last bin, is compared with itself in as many steps as the integers have. Migacz,
    "8-bit inference with TensorRT", GTC 2017, pages 26 to 38. The bin of 0 is given the count of
    its neighbour, as in NVIDIA's pytorch-quantization, as 0 is exact in any case.

    What is cut off is missing from the distribution in steps, which is not scaled up to 1 as it is
    there: otherwise a cut right behind a bin that holds most of the numbers would seem to be free.
    The method is for numbers that thin out evenly. One that occurs very often, as the background of
    a picture does, misleads it: LeNet-5, whose inputs are such, loses a hundredth of its accuracy
    by Entropy and nothing by MinMax.
    """

    def range(self, bits: int = 8) -> tuple[float, float]:
        _require_numbers(self.count)
        if self.low == self.high or self.width == 0:
            return self.low, self.high
        if self.count < BINS:
            raise ValueError(
                f"Entropy: {self.count} numbers do not fill a histogram of {BINS} bins: "
                "calibrate with more batches, or take MinMax"
            )
        # numbers of one sign have all the integers for themselves, of both signs half of them
        steps = 2**bits if self.low >= 0 or self.high <= 0 else 2 ** (bits - 1)
        cut = self.width * _best_cut(self.right + self.left, steps)
        return max(self.low, -cut), min(self.high, cut)


def _best_cut(counts: Array, steps: int) -> int:
    """The number of bins to keep, so that `steps` levels tell most of what all bins told."""
    counts = counts.astype(np.float64)
    counts[0] = counts[1]
    total = counts.sum()
    if total == 0:
        return BINS
    filled = counts > 0
    last = int(np.flatnonzero(filled)[-1]) + 1
    below = np.concatenate([[0.0], np.cumsum(counts)])
    best, least = last, np.inf
    for kept in range(min(steps, last), last + 1):
        p = counts[:kept].copy()
        p[-1] += total - below[kept]  # what is cut off will be rounded to the end
        # kept bins in `steps` levels; each level's count is spread over its bins that are not empty
        starts = np.arange(steps) * kept // steps if kept >= steps else np.arange(kept)
        lengths = np.diff(np.append(starts, kept))
        sums = np.add.reduceat(counts[:kept], starts)
        full = np.add.reduceat(filled[:kept].astype(np.float64), starts)
        q = np.repeat(sums / np.maximum(full, 1), lengths) * filled[:kept]
        p, q = p / total, q / total
        met = p > 0
        if (q[met] == 0).any():  # the last bin was empty: what is heaped on it meets nothing
            continue
        divergence = float((p[met] * np.log(p[met] / q[met])).sum())
        if divergence < least:
            best, least = kept, divergence
    return best


# Listening
def observe(
    model: Module,
    batches: Iterable[Any],
    observer: Callable[[], Observer] = MinMax,
    layers: Mapping[str, Module] | None = None,
) -> dict[str, Observer]:
    """Run `model` over batches, in evaluation mode, and show each layer's inputs to an observer.

    batches   of inputs, or (inputs, targets); targets are not looked at
    observer  makes an observer: MinMax, lambda: Percentile(99.9), Entropy
    layers    by dotted name; None means every one that calls `linear` or `conv2d`

    Returns an observer for each layer, by name. Raises TypeError for one array instead of batches;
    ValueError for NaN or infinity, naming the layer and the batch, for no batches at all, for a
    layer of `layers` that none reached, and where the first layer saw one constant, so that the
    examples tell nothing. Warns (UserWarning) of a later layer that did: it has no range.
    """
    require_batches(batches)
    names = {module: name for name, module in model.named_modules()}
    if layers is not None:
        names = {module: name for name, module in layers.items()}
    found: dict[str, Observer] = {}
    ends: dict[str, tuple[float, float]] = {}  # whatever the observers make of it
    count = 0

    def hear(event: Event) -> None:
        record = event.record
        if event.kind != "forward" or record.primitive.name not in LISTENED or not record.scope:
            return
        name = names.get(record.scope[-1])  # type: ignore[call-overload]
        if name is not None:
            x = record.arrays[0]
            if not np.isfinite(x).all():
                raise ValueError(
                    f"calibration: the inputs of layer {name!r} hold NaN or infinity in batch "
                    f"{count + 1}: look for it in the data, or in the layers before"
                )
            found.setdefault(name, observer()).observe(x)
            low, high = ends.get(name, (np.inf, -np.inf))
            ends[name] = (float(x.min(initial=low)), float(x.max(initial=high)))

    quiet = np.errstate(invalid="ignore", over="ignore")  # what is no number is reported above
    with no_grad(), evaluating(model), listening(hear), quiet:
        for batch in batches:
            model(inputs_of(batch))
            count += 1
    if not count:
        raise ValueError("calibration: no batches. Is it an iterator that is used up?")
    missed = [name for name in layers or () if name not in found]
    if missed:
        raise ValueError(
            f"calibration: no input reached {', '.join(missed)}: choose examples that do, or leave "
            "these layers as they are, skip=[...]"
        )
    require_variety(ends)
    return found


def require_variety(ends: Mapping[str, tuple[float, float]]) -> None:
    """Raise ValueError where the first layer saw one constant, warn where a later one did.

    ends  the smallest and the largest number that each layer saw, in the order of the calls
    """
    for place, (name, (low, high)) in enumerate(ends.items()):
        if low != high:
            continue
        saw = f"calibration: the layer {name!r} saw no number but {low:g}"
        if place == 0:
            raise ValueError(
                f"{saw}: no range can be told from such examples. Give typical ones, prepared as "
                "for training"
            )
        warnings.warn(
            f"{saw}: its range is a guess, and other inputs will be cut off. Choose examples that "
            f"reach it, or leave it as it is, skip=[{name!r}]",
            UserWarning,
            stacklevel=2,
        )


def require_batches(batches: Any) -> None:
    """Raise TypeError for one array: its rows would be taken for batches."""
    if isinstance(batches, np.ndarray | Tensor):
        raise TypeError(
            f"calibration: an array {batches.shape} instead of a list of batches: if it is one "
            "batch, [x]"
        )


def inputs_of(batch: Any) -> Tensor:
    """The inputs of a batch: of a pair (inputs, targets) the first."""
    x = batch[0] if isinstance(batch, tuple | list) else batch
    return x if isinstance(x, Tensor) else Tensor(np.asarray(x))


def _require_numbers(count: int) -> None:
    if not count:
        raise ValueError("calibration: no number was observed: are all batches empty?")
