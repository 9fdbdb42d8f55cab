"""A cache that stays the same size however long the text: attention looks back `window` positions.

With a window, position p attends to p - window + 1 ... p only. Earlier keys and values are never
read again, so they need not be kept. A stack of L blocks still carries information L windows far,
because what a position knows includes what its neighbours knew a block before.

The window is a property of the *model*: one that was trained to look at everything and is run with
a window is another model, and its text differs once it is longer than the window. `windowed` makes
that model; its answers are the same with the cache and without.

What it means for positions. A model whose positions are learned, as the `Transformer` of module 13,
has a vector for each of `context` places and none for the next: there the text ends, and the model
says so, whatever the window. Only a model that computes positions (`rotary`, `sinusoids`) goes on
for ever; `length` counts all positions read, not those kept, and says where it stands.

Left out: quick forms that skip what the mask hides. Jiang et al., "Mistral 7B", 2023, section 2.
"""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np

from tinytorch.arch.attention import (
    MultiHeadAttention,
    Past,
    causal_mask,
    for_heads,
    scaled_dot_product_attention,
)
from tinytorch.core.errors import ShapeError
from tinytorch.core.layers import Module
from tinytorch.core.measurement import in_bytes
from tinytorch.core.primitive import Array, wrap
from tinytorch.core.tensor import Tensor
from tinytorch.opt.memoization import Caches, KVCache, blocks_of
from tinytorch.opt.surgery import copy_of

M = TypeVar("M", bound=Module)


def banded_mask(queries: int, keys: int, window: int) -> Array:
    """Who may look at whom: the last `window` positions up to the query's own. Boolean.

    The queries are the last of the positions, as in `causal_mask`.

    >>> banded_mask(3, 4, 2).astype(int)
    array([[1, 1, 0, 0],
           [0, 1, 1, 0],
           [0, 0, 1, 1]])
    """
    too_early = np.tri(queries, keys, keys - queries - window, dtype=bool)
    return causal_mask(queries, keys) & ~too_early


class SlidingWindowCache(KVCache):
    """The keys and values of the last `window` positions.

    They lie in order in an array with some places to spare. When it is full, the last of them are
    moved to its beginning: once in spare + 1 tokens, so a token moves window / spare positions at
    most, fewer than attention reads.

    `length` counts every position that was read, and goes on growing, as `tokens` does: a number
    for each position, so that another text is noticed. `kept` does not.
    """

    def __init__(self, window: int) -> None:
        super().__init__(window)
        self.window = window
        self.spare = max(1, window // 4)
        self._end = 0  # where the next position is written

    @property
    def kept(self) -> int:
        """How many positions the next one could look back at."""
        return min(self._end, self.window - 1)

    def extend(self, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Add keys and values (B, heads, T, features); return those of the window.

        Raises ShapeError where several positions come that cannot all look at the same keys: that
        takes a mask, which `SlidingWindowAttention` has.
        """
        if k.ndim == 4 and k.shape[2] > 1 and self.kept + k.shape[2] > self.window:
            raise ShapeError(
                f"SlidingWindowCache: {k.shape[2]} positions come at once and {self.kept} are "
                f"kept, more than the window of {self.window}, so each must look at other keys: "
                "use windowed(model, window), whose attention has the mask, or read one at a time"
            )
        return self.extend_for_mask(k, v)

    def extend_for_mask(self, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Add keys and values; return all that any of the new positions may look at.

        That is the window - 1 positions before them, as far as there are, and themselves.
        """
        self.require_fitting(k, v)
        new, kept = k.shape[2], self.kept
        room = self.window + self.spare
        if self._keys is None or self._values is None:
            shape = (*k.shape[:2], room)
            self._keys = np.empty((*shape, k.shape[3]), k.dtype)
            self._values = np.empty((*shape, v.shape[3]), v.dtype)
        pairs = ((self._keys, k.data), (self._values, v.data))
        self.length += new
        if self._end + new > room:  # move the window to the beginning
            for held, _ in pairs:
                held[:, :, :kept] = held[:, :, self._end - kept : self._end].copy()
            self._end = kept
        if self._end + new > room:  # a text longer than the window: most of it is not kept
            joined = [np.concatenate((held[:, :, :kept], x), axis=2) for held, x in pairs]
            for (held, _), whole in zip(pairs, joined, strict=True):
                held[:, :, : self.window] = whole[:, :, -self.window :]
            self._end = self.window
            return wrap(joined[0], None), wrap(joined[1], None)
        for held, x in pairs:
            held[:, :, self._end : self._end + new] = x
        self._end += new
        seen = slice(self._end - new - kept, self._end)
        return wrap(self._keys[:, :, seen], None), wrap(self._values[:, :, seen], None)

    def truncate(self, length: int) -> None:
        """Forget positions from `length` on. Raises ValueError where those before are gone."""
        back = self.length - length
        if not 0 <= back <= self.length or (back and self.length > self._end):
            raise ValueError(
                f"truncate({length}): {self.length} positions were read, and those before the "
                "window are gone: reset(), and read the text again"
            )
        self.length, self._end = length, self._end - back
        del self.tokens[length:]

    def reset(self) -> None:
        """Forget everything: another text, of any batch, can come."""
        super().reset()
        self._end = 0

    def __repr__(self) -> str:
        held = f"{self.length} positions read, {in_bytes(self.nbytes)}"
        return f"SlidingWindowCache({self.window}: {held})"


class SlidingWindowAttention(MultiHeadAttention):
    """Causal attention in which a position sees the last `window` positions, its own included.

    It takes over the projections of another attention: the same parameters, under the same names.
    """

    def __init__(self, attention: MultiHeadAttention, window: int) -> None:
        if window < 1:
            raise ValueError(f"SlidingWindowAttention: window={window}: a position sees itself")
        self.n_heads = attention.n_heads
        self.query, self.key = attention.query, attention.key
        self.value, self.out = attention.value, attention.out
        self.window = window

    def forward(
        self,
        x: Tensor,
        context: Tensor | None = None,
        mask: Any = None,
        is_causal: bool = True,
        past: Past | None = None,
    ) -> Tensor:
        """x (B, T, d_model) -> (B, T, d_model). `mask` may hide more; `past` as for attention.

        Raises ValueError for another `context`, or with is_causal=False: a window looks back.
        """
        if context is not None or not is_causal:
            raise ValueError(
                "SlidingWindowAttention looks back along one sequence: it takes no `context`, and "
                "is_causal=True"
            )
        q, k, v = self.heads(self.query, x), self.heads(self.key, x), self.heads(self.value, x)
        if isinstance(past, SlidingWindowCache):
            k, v = past.extend_for_mask(k, v)
        elif past is not None:
            k, v = past.extend(k, v)
        queries, keys = q.shape[2], k.shape[2]
        alone = mask is None and queries == 1 and keys <= self.window  # it may see all there is
        may = None if alone else self.band(queries, keys, mask)
        answers = scaled_dot_product_attention(q, k, v, may)
        return self.out(answers.transpose(1, 2).reshape(x.shape))

    def band(self, queries: int, keys: int, mask: Any) -> Any:
        """The window's mask, and what `mask` hides besides."""
        band = banded_mask(queries, keys, self.window)
        return band if mask is None else np.asarray(for_heads(mask)) & band

    def describe(self) -> str:
        return f"{super().describe()}, window={self.window}"


def windowed(model: M, window: int) -> M:
    """A copy of a transformer in which every block looks back `window` positions only.

    It has the same parameters by the same names. Raises TypeError for a model without blocks.
    """
    copy = copy_of(model)
    for block in blocks_of(copy):
        block.attention = SlidingWindowAttention(block.attention, window)
    return copy


def sliding_caches_for(model: Module) -> Caches:
    """A cache for each block of what `windowed` returned, of its window.

    Raises TypeError for a model whose attention has no window.
    """
    windows = [getattr(block.attention, "window", None) for block in blocks_of(model)]
    caches: list[KVCache] = [SlidingWindowCache(window) for window in windows if window]
    if len(caches) < len(windows):
        raise TypeError(
            f"the attention of this {type(model).__name__} has no window, so it would miss what "
            "such a cache forgets: use windowed(model, window), or caches_for(model)"
        )
    return Caches(model, caches)
