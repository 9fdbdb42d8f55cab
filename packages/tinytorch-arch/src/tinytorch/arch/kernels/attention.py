"""Attention block by block: no T x S matrix is kept, and few walks are made through any.

The plain definition walks eight times through all scores, and its rule as often again. Here

- scores lie key-major, one column a query: sums and maxima over keys run along whole rows of
  memory, and the shares come out of the exponentials by one division at the end,
  out = (e v) / z, of (T, features) numbers instead of (T, S);
- softmax subtracts the largest score only where it must. No score is larger than |q| |k|, so where
  that is below 60 for the longest q and k, exp can neither overflow nor vanish;
- blocks of some heads and some queries stay in the cache from the product q k' to that with v;
- a causal block knows only the keys that its last query may see: half of the work for long texts;
- a single query, which a model that writes with a cache has for each token, is one block without a
  mask: half a dozen calls;
- backward computes e once more, from q, k and two numbers a query, as the plain rule does. Keeping
  it would cost T x S numbers a head, and reading them back is not faster than exp.

With s = scale q k' and e = exp(s - shift), p = e / z, and D = sum over keys of p (g v') = g . out:
dv = e' (g / z),  ds = e ((g / z) v' - D / z),  dq = scale ds k,  dk = scale ds' q.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from tinytorch.core.kernels.blocks import FLOAT32, scratch
from tinytorch.core.primitive import Array, Record, kernel

SCORES = 131_072  # of a block: 512 KiB, so that two such arrays fit a second-level cache of 1 MiB
QUERIES = 64  # of a block, at least: products of thinner matrices are slow
SAFE = 60  # exp(-60) and 10**12 * exp(60) are ordinary float32 numbers


class Call(NamedTuple):
    """The operands and parameters of a call, in the form that the blocks want."""

    q: Array
    k: Array
    v: Array
    mask: Array | None
    is_causal: bool
    scale: float


def call_of(arrays: list[Any], params: dict[str, Any]) -> Call:
    """Sort the operands and parameters of a call."""
    q, k, v = arrays[:3]
    mask = arrays[3] if len(arrays) > 3 else params.get("mask")
    scale = params.get("scale")
    return Call(
        q,
        k,
        v,
        None if mask is None else np.asarray(mask),
        params.get("is_causal", False),
        1 / math.sqrt(q.shape[-1] or 1) if scale is None else scale,
    )


def are_heads(operands: list[Any]) -> bool:
    """Whether there are queries, keys and values of several heads, in float32."""
    return len(operands) == 3 and all(
        type(x) is np.ndarray and x.dtype is FLOAT32 and x.ndim == 4 for x in operands
    )


def fits(q: Array, k: Array, v: Array, mask: Array | None, is_causal: bool) -> bool:
    """Whether these operands are for this kernel; what is wrong, the plain definition says."""
    return (
        q.shape[:2] == k.shape[:2] == v.shape[:2]
        and q.shape[3] == k.shape[3]
        and k.shape[2] == v.shape[2]
        and min(*q.shape, *k.shape, *v.shape) > 0
        and not (is_causal and q.shape[2] > k.shape[2])
        and (mask is None or mask_fits(mask, (*q.shape[:3], k.shape[2])))
    )


def mask_fits(mask: Array, scores: tuple[int, ...]) -> bool:
    if mask.ndim > 4 or mask.dtype != bool:
        return False
    sizes = (1,) * (4 - mask.ndim) + mask.shape
    return all(n in (1, m) for n, m in zip(sizes, scores, strict=True))


class Block(NamedTuple):
    """A part of the work: `which` examples and heads, then queries and keys."""

    which: tuple[slice, slice]
    queries: slice
    keys: slice
    hidden: slice  # the last of these keys, where the causal triangle lies

    def of_queries(self, x: Array) -> Array:
        return x[(*self.which, self.queries)]

    def of_keys(self, x: Array) -> Array:
        return x[(*self.which, self.keys)]

    def of_columns(self, x: Array) -> Array:
        return x[(*self.which, slice(None), self.queries)]


def blocks(q: Array, k: Array, is_causal: bool) -> Iterator[Block]:
    """Cut (B, heads, queries, keys) into blocks of about `SCORES` scores."""
    (examples, heads, queries, _), keys = q.shape, k.shape[2]
    step = min(queries, max(QUERIES, SCORES // keys))
    if is_causal:  # narrow ones leave out more of the future, but eight do nearly all there is
        step = min(step, -(-queries // max(1, min(8, queries // QUERIES))))
    step_h = min(heads, max(1, SCORES // (keys * step)))
    step_b = min(examples, max(1, SCORES // (keys * step * heads)))
    past = keys - queries
    for b in range(0, examples, step_b):
        for h in range(0, heads, step_h):
            for start in range(0, queries, step):
                stop = min(start + step, queries)
                yield Block(
                    which=(slice(b, b + step_b), slice(h, h + step_h)),
                    queries=slice(start, stop),
                    keys=slice(0, past + stop if is_causal else keys),
                    hidden=slice(past + start, past + stop),
                )


def taken(name: str, *shape: int) -> Array:
    """An array to compute in, of this thread; see `scratch`."""
    return scratch(f"attention {name}", math.prod(shape)).reshape(shape)


def longest(x: Array) -> float:
    """The length of the longest of the vectors along the last axis."""
    return math.sqrt(np.vecdot(x, x).max())


def triangle(n: int) -> Array:
    """Which of n queries (columns) sees which of the last n keys (rows)."""
    return np.tri(n, dtype=bool).T


def part_of(mask: Array, block: Block) -> Array:
    """The part of a mask for a block; axes of size 1 stay, and broadcast."""
    whole = mask.reshape((1,) * (4 - mask.ndim) + mask.shape)
    wanted = (*block.which, block.queries, block.keys)
    return whole[
        tuple(s if n > 1 else slice(None) for s, n in zip(wanted, whole.shape, strict=True))
    ]


def exponentials(
    e: Array, block: Block, call: Call, shift: Array | None, *, find_shift: bool
) -> None:
    """Write exp(scale k q' - shift) of a block into e (b, h, keys, queries), 0 where hidden."""
    q, k = block.of_queries(call.q), block.of_keys(call.k)
    columns = taken("q'", *q.shape[:2], q.shape[3], q.shape[2])
    np.multiply(q.mT, call.scale, out=columns)  # (b, h, T, d) -> (b, h, d, T)
    np.matmul(k, columns, out=e)
    unseen: list[tuple[Array, Array]] = []
    if call.is_causal:
        unseen.append((e[:, :, block.hidden], triangle(e.shape[3])))
    if call.mask is not None:
        unseen.append((e, part_of(call.mask, block).mT))
    if shift is None:
        np.exp(e, out=e)
        for part, seen in unseen:
            np.multiply(part, seen.astype(np.float32), out=part)
        return
    for part, seen in unseen:
        np.copyto(part, -np.inf, where=~seen)
    if find_shift:
        np.max(e, axis=2, keepdims=True, out=shift)
        shift[shift == -np.inf] = 0
    np.subtract(e, shift, out=e)
    np.exp(e, out=e)


class Saved(NamedTuple):
    """What forward leaves for backward: two numbers for each query."""

    inverse: Array  # 1 / z, (B, heads, 1, T); 0 for a query that may attend nowhere
    shift: Array | None  # what was subtracted from its scores, of the same shape; None for nothing


def answer_of_one(q: Array, k: Array, v: Array, scale: float) -> Array:
    """One query, which sees all keys: q (B, heads, 1, d) -> (B, heads, 1, features)."""
    e = np.matmul(q * scale, k.mT)  # (B, heads, 1, d) @ (B, heads, d, S)
    np.subtract(e, np.maximum.reduce(e, axis=3, keepdims=True), out=e)
    np.exp(e, out=e)
    out: Array = np.matmul(e, v)  # (B, heads, 1, S) @ (B, heads, S, features)
    return np.divide(out, np.add.reduce(e, axis=3, keepdims=True), out=out)


def forward(
    arrays: list[Any], params: dict[str, Any], saving: bool
) -> tuple[Array, Saved | None] | None:
    if not are_heads(arrays[:3]):
        return None
    call = call_of(arrays, params)
    q, k, v = call.q, call.k, call.v
    if not fits(q, k, v, call.mask, call.is_causal):
        return None
    examples, heads, queries, _ = q.shape
    if queries == 1 and call.mask is None and not saving:
        return answer_of_one(q, k, v, call.scale), None
    safe = longest(q) * longest(k) * abs(call.scale) < SAFE  # false where there is a nan
    shift = None if safe else np.empty((examples, heads, 1, queries), np.float32)
    inverse = np.zeros((examples, heads, 1, queries), np.float32)
    out = np.empty_like(q, shape=(*q.shape[:3], v.shape[3]))  # in memory as q lies
    for block in blocks(q, k, call.is_causal):
        mine = block.of_columns(inverse)
        e = taken("e", *mine.shape[:2], block.keys.stop, mine.shape[3])
        here = None if shift is None else block.of_columns(shift)
        exponentials(e, block, call, here, find_shift=True)
        z = e.sum(axis=2, keepdims=True)  # over keys
        np.divide(1, z, out=mine, where=z != 0)
        answers = block.of_queries(out)
        np.matmul(e.mT, block.of_keys(v), out=answers)  # (b, h, T, S) @ (b, h, S, features)
        np.multiply(answers, mine.mT, out=answers)
    return out, Saved(inverse, shift) if saving else None


def backward(g: Array, record: Record) -> tuple[Any, ...]:
    call = call_of(record.arrays, record.params)
    saved: Saved = record.saved
    q, k, v = call.q, call.k, call.v
    dq = np.empty_like(q) if record.needs[0] else None
    dk = np.zeros_like(k) if record.needs[1] else None
    dv = np.zeros_like(v) if record.needs[2] else None
    for block in blocks(q, k, call.is_causal):
        mine = block.of_columns(saved.inverse)
        b, h, _, t = mine.shape
        s = block.keys.stop
        e = taken("e", b, h, s, t)
        here = None if saved.shift is None else block.of_columns(saved.shift)
        exponentials(e, block, call, here, find_shift=False)
        shares = taken("g / z", b, h, t, g.shape[3])
        np.multiply(block.of_queries(g), mine.mT, out=shares)
        if dv is not None:
            add_product(block.of_keys(dv), e, shares)  # (S, T) @ (T, features)
        if dq is None and dk is None:
            continue
        ds = taken("ds", b, h, s, t)
        rows = taken("g' / z", b, h, g.shape[3], t)
        np.copyto(rows, shares.mT)
        np.matmul(block.of_keys(v), rows, out=ds)
        mean = np.vecdot(shares, block.of_queries(record.out))  # D / z, (b, h, T)
        np.subtract(ds, mean[:, :, np.newaxis], out=ds)
        np.multiply(ds, e, out=ds)
        scaled = taken("scaled", b, h, max(s, t), q.shape[3])
        if dk is not None:
            queries = np.multiply(block.of_queries(q), call.scale, out=scaled[:, :, :t])
            add_product(block.of_keys(dk), ds, queries)  # (S, T) @ (T, d)
        if dq is not None:
            keys = np.multiply(block.of_keys(k), call.scale, out=scaled[:, :, :s])
            np.matmul(ds.mT, keys, out=block.of_queries(dq))  # (T, S) @ (S, d)
    return (dq, dk, dv, None)[: len(record.arrays)]


def add_product(total: Array, x: Array, y: Array) -> None:
    """total += x @ y."""
    product = taken("product", *total.shape)
    np.matmul(x, y, out=product)
    np.add(total, product, out=total)


kernel("scaled_dot_product_attention", forward, backward)
