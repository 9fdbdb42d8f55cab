"""Module 18: memoization. What attention computed for earlier positions is kept, and read again.

A GPT that writes reads its whole text for each new token, though of all earlier positions it only
needs their keys and values, which never change: nobody looks into the future. `KVCache` keeps them,
so that a token costs one position instead of all of them, O(n) instead of O(n^2).

    model.generate(prompt, 100, past=caches_for(model))

Left out: memory that stays the same however long the text (`sliding_window.py`); the opposite
trade, computing again what there is no room to keep (`activation_checkpointing.py`); planning
memory (`budgets.py`).

Pope et al., "Efficiently scaling transformer inference", 2022, section 2.1.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinytorch.arch.generation import generate
from tinytorch.core.context import listening
from tinytorch.core.errors import GradientError, ShapeError
from tinytorch.core.layers import Module
from tinytorch.core.measurement import in_bytes, in_seconds
from tinytorch.core.primitive import Array, Event, wrap
from tinytorch.core.tensor import Tensor
from tinytorch.opt.costs import cost_of

FIRST = 64  # positions that a cache without a capacity makes room for at first


class KVCache:
    """The keys and values of all positions that one block has read: a `Past` for attention.

    capacity  the most positions it can hold; there is room for all of them from the first on.
              None: it begins small and doubles when it is full

    Which tokens they came from is kept beside them, in `tokens`, by `generate` and `stream`: these
    refuse to go on with another text. A model that is called directly does not say.

    New keys and values are written behind those that are there, (B, heads, capacity, features),
    and what attention gets is a view of the part that is filled: a token copies one position.
    """

    def __init__(self, capacity: int | None = None) -> None:
        if capacity is not None and capacity < 1:
            raise ValueError(f"{type(self).__name__}({capacity}): it must hold at least 1 position")
        self.capacity = capacity
        self.length = 0  # positions read so far
        self.tokens: list[int] = []  # of the first of them; in the cache of the first block only
        self._keys: Array | None = None
        self._values: Array | None = None

    def extend(self, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Add keys and values (B, heads, T, features) of new positions; return those of all.

        What is returned is a view that later calls leave as it is, until `reset` or `truncate`.
        Raises ShapeError where the cache is full or was filled by another batch or model,
        GradientError where gradients are wanted.
        """
        self.require_fitting(k, v)
        start, stop = self.length, self.length + k.shape[2]
        if self._keys is None or self._values is None or stop > self._keys.shape[2]:
            self.make_room(k, v, stop)
        assert self._keys is not None
        assert self._values is not None
        self._keys[:, :, start:stop] = k.data
        self._values[:, :, start:stop] = v.data
        self.length = stop
        return wrap(self._keys[:, :, :stop], None), wrap(self._values[:, :, :stop], None)

    def make_room(self, k: Tensor, v: Tensor, positions: int) -> None:
        """Take memory for so many positions, or more, and move there what is held.

        Doubling moves each position about once, however long the text becomes.
        """
        if self.capacity is not None and positions > self.capacity:
            raise ShapeError(
                f"KVCache: {self.length} positions are held and {positions - self.length} come, "
                f"but its capacity is {self.capacity}: reset() it, or make it larger"
            )
        held = 0 if self._keys is None else self._keys.shape[2]
        room = self.capacity or max(FIRST, positions, 2 * held)
        self._keys = moved(self._keys, k.data, room)
        self._values = moved(self._values, v.data, room)

    def require_fitting(self, k: Tensor, v: Tensor) -> None:
        """Raise ShapeError or GradientError, saying why, unless these continue what is held."""
        name = type(self).__name__
        if k.requires_grad or v.requires_grad:
            raise GradientError(
                f"{name}: gradients are wanted, but a cache keeps numbers, not how they came "
                "about, so none would reach earlier positions: read it within "
                "`with tinytorch.no_grad():`, or train without a cache"
            )
        if k.ndim != 4 or k.shape[:3] != v.shape[:3]:
            raise ShapeError(
                f"{name}: keys {k.shape} and values {v.shape}; both are (batch, heads, positions, "
                "features), with the same first three"
            )
        if self._keys is None or self._values is None:
            return
        held, held_v = self._keys.shape, self._values.shape
        if held[0] != k.shape[0]:
            raise ShapeError(
                f"{name}: it holds a batch of {held[0]}, but keys of {k.shape[0]} come: reset() it "
                "before another batch"
            )
        same = (held[1], held[3], held_v[3]) == (k.shape[1], k.shape[3], v.shape[3])
        if not same or self._keys.dtype != k.dtype:
            raise ShapeError(
                f"{name}: it holds {held[1]} heads of {held[3]} features, {self._keys.dtype}, but "
                f"{k.shape[1]} heads of {k.shape[3]}, {k.dtype}, come: another model's? Each model "
                "and each block has a cache of its own"
            )

    def truncate(self, length: int) -> None:
        """Forget all positions from `length` on, so that the text can go on differently there."""
        if not 0 <= length <= self.length:
            raise ValueError(f"truncate({length}): {self.length} positions are held, from 0 on")
        self.length = length
        del self.tokens[length:]

    def reset(self) -> None:
        """Forget everything: another text, of any batch, can come."""
        self.length = 0
        self.tokens.clear()
        self._keys = self._values = None

    @property
    def nbytes(self) -> int:
        """The bytes that are taken: for the whole capacity, filled or not."""
        return sum(0 if a is None else a.nbytes for a in (self._keys, self._values))

    def __repr__(self) -> str:
        room = "growing" if self.capacity is None else f"capacity={self.capacity}"
        return f"{type(self).__name__}({room}: {self.length} positions, {in_bytes(self.nbytes)})"


def moved(held: Array | None, like: Array, room: int) -> Array:
    """An array (B, heads, room, features) for what comes, `like` it, beginning with `held`."""
    batch, heads, _, features = like.shape
    fresh = np.empty((batch, heads, room, features), like.dtype)
    if held is not None:
        fresh[:, :, : held.shape[2]] = held
    return fresh


# One for each block
class Caches(list[KVCache]):
    """The caches of one model, first block first: what `past=` of `forward` and `generate` takes.

    The model refuses those of another one.
    """

    def __init__(self, model: Module, caches: Iterable[KVCache]) -> None:
        super().__init__(caches)
        self._model = weakref.ref(model)  # the caches do not keep it alive

    @property
    def model(self) -> Module | None:
        """The model they belong to; None if it is gone."""
        return self._model()

    @property
    def length(self) -> int:
        """How many positions have been read."""
        return self[0].length

    @property
    def nbytes(self) -> int:
        """The bytes that all of them take."""
        return sum(cache.nbytes for cache in self)

    def truncate(self, length: int) -> None:
        """Forget all positions from `length` on, in every block."""
        for cache in self:
            cache.truncate(length)

    def reset(self) -> None:
        """Forget everything, in every block."""
        for cache in self:
            cache.reset()

    def __repr__(self) -> str:
        return f"Caches({len(self)} of {self[0]!r}, together {in_bytes(self.nbytes)})"


def caches_for(model: Module, capacity: int | None = None) -> Caches:
    """A cache for each block of `model`, empty.

    capacity  positions; None means the model's `context`, or caches that grow where it has none

    Raises TypeError for a model without `blocks`.
    """
    room = getattr(model, "context", None) if capacity is None else capacity
    return Caches(model, [KVCache(room) for _ in blocks_of(model)])


def blocks_of(model: Module) -> list[Any]:
    """The blocks of a transformer. Raises TypeError for a model that has none."""
    blocks = getattr(model, "blocks", None)
    if not isinstance(blocks, list | tuple) or not blocks:
        raise TypeError(
            f"{type(model).__name__} has no list `blocks`: a cache belongs to each block of a "
            "transformer, and `forward` must hand it on as `past`; see arch.attention.Past"
        )
    return list(blocks)


def cache_bytes(model: Module, positions: int, batch: int = 1) -> int:
    """What the caches of a model take: 2 x blocks x batch x positions x features x 4 bytes.

    The 2 stands for keys and values, the features are those of all heads: d_model.
    """
    features = sum(block.attention.key.weight.shape[1] for block in blocks_of(model))
    features += sum(block.attention.value.weight.shape[1] for block in blocks_of(model))
    return features * batch * positions * np.dtype(np.float32).itemsize


# What it is worth
@dataclass(frozen=True)
class Decoding:
    """Writing some tokens with a cache, and without: what each took. See `compare_decoding`."""

    prompt: int  # tokens
    tokens: int  # written
    same: bool  # whether both wrote the same text
    flops: tuple[int, int]  # of products: with, without
    seconds: tuple[float, float]  # of the processor
    cache_bytes: int

    @property
    def less(self) -> float:
        """How many times less there is to compute with the cache."""
        return self.flops[1] / self.flops[0]

    @property
    def faster(self) -> float:
        """How many times faster it is."""
        return self.seconds[1] / self.seconds[0]

    def __repr__(self) -> str:
        work = " ".join(f"{n / 1e6:>11,.1f} M" for n in self.flops)
        clock = " ".join(f"{in_seconds(s):>13}" for s in self.seconds)
        return (
            f"{self.tokens} tokens after {self.prompt}, greedily: "
            f"{'the same text' if self.same else 'DIFFERENT texts'}\n"
            f"{'':14}{'with a cache':>13} {'without':>13}\n"
            f"{'FLOPs':14}{work}   {self.less:.1f} x less\n"
            f"{'time':14}{clock}   {self.faster:.1f} x faster\n"
            f"{'cache':14}{in_bytes(self.cache_bytes):>13}"
        )


def compare_decoding(model: Module, prompt: Any, n: int) -> Decoding:
    """Let a model write n tokens greedily, with a cache and without, and count and time both.

    The prompt and the n tokens must fit the model's context. FLOPs are counted in runs of their
    own, by listening at the door. Time is the processor's, in this thread, so that what else the
    machine does is not in it; but BLAS' threads that wait for each other are, so set
    OMP_NUM_THREADS=1 where other work runs. Each way is timed once (see module 19).
    """

    def write(past: Caches | None) -> Array:
        return generate(model, prompt, n, temperature=0, past=past)

    texts, counts, seconds, cached = [], [], [], 0
    caches = caches_for(model)
    for past in (caches, None):
        total = 0

        def hear(event: Event) -> None:
            nonlocal total
            cost = cost_of(event)
            total += cost.flops if cost else 0

        with listening(hear):
            texts.append(write(past).tolist())
        caches.reset()
        start = time.thread_time()
        write(past)
        seconds.append(time.thread_time() - start)
        counts.append(total)
        cached = cached or caches.nbytes
    return Decoding(
        prompt=len(prompt),
        tokens=n,
        same=texts[0] == texts[1],
        flops=(counts[0], counts[1]),
        seconds=(seconds[0], seconds[1]),
        cache_bytes=cached,
    )
