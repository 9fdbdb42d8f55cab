"""How one tensor is written in few bytes: where its values are, and what they are.

Where: in all places; or where a mask has a 1, one bit a place; or after gaps, one byte each. What:
the numbers themselves; integers of a few bits with a scale for each output channel (module 15); or
the number of an entry in a table that k-means made (Han, Mao and Dally, "Deep compression", 2016,
section 3). Zeros are always exact. `encode` tries every way to say where, and takes the shortest.

Left out: several tensors, and files (`packing.py`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinytorch.core.primitive import Array
from tinytorch.opt.quantization import Quantization, symmetric

Header = dict[str, Any]
PLACES = ("all", "mask", "gaps")
ESCAPE = 255  # a gap of so many places, with no value after it
DTYPES = {np.dtype(f"<{kind}").name for kind in ("f2", "f4", "f8", "i1", "i2", "i4", "i8")} | {
    *(np.dtype(f"<{kind}").name for kind in ("u1", "u2", "u4", "u8", "?")),
}


@dataclass(frozen=True)
class Coding:
    """How the values of a tensor are rounded, if at all.

    bits      of each value, 2 to 8; None: the values stay as they are
    axis      of the output channels, which have a scale each; None: one scale for all
    codebook  numbers of a table of 2**bits entries, in place of scaled integers
    """

    bits: int | None = None
    axis: int | None = None
    codebook: bool = False


@dataclass(frozen=True)
class Coded:
    """One tensor as bytes, and what is needed to read them."""

    header: Header
    data: bytes


def encode(array: Array, coding: Coding, cost: Callable[[bytes], int] = len) -> Coded:
    """Write a tensor in the way for which `cost` of the bytes is least.

    Raises ValueError for numbers that cannot be rounded, or for a table of too many bits.
    """
    array = np.asarray(array, order="C")
    header: Header = {"shape": list(array.shape), "dtype": array.dtype.name}
    if coding.bits is None:
        whole = [header | {"values": form} for form in ("raw", "planes")]
        codes, table = array.reshape(-1), b""
        empty = (codes == 0) & ~np.signbit(codes) if array.dtype.kind == "f" else codes == 0
    else:
        values = "codebook" if coding.codebook else "scaled"
        header |= {"values": values, "bits": coding.bits, "axis": coding.axis}
        make = _with_codebook if coding.codebook else _scaled
        codes, table, zero = make(array, coding)
        header |= {"table": len(table) // 4}
        whole = [header | {"packed": packed} for packed in (False, True)]
        empty = codes == zero
    candidates = []
    for places in PLACES if empty.any() else PLACES[:1]:
        where, kept = _where(places, empty), codes if places == "all" else codes[~empty]
        for form in whole:
            data = where + table + _as_bytes(kept, form)
            here = form | {"places": places, "count": len(kept), "where": len(where)}
            candidates.append(Coded(here, data))
    return min(candidates, key=lambda coded: cost(coded.data))


def decode(header: Header, data: bytes) -> Array:
    """Read a tensor that `encode` wrote. Its size must have been checked: it is allocated here.

    Raises ValueError for a header and data that do not fit together.
    """
    shape, dtype = tuple(header["shape"]), np.dtype(header["dtype"])
    size, count, where = math.prod(shape), header["count"], header["where"]
    table = 4 * header.get("table", 0)
    require(0 <= count <= size, "it has more values than places")
    require(header["values"] in ("raw", "planes", "scaled", "codebook"), "its values are unknown")
    require(where + table <= len(data), "it is shorter than its tables")
    at = _places(header["places"], data[:where], size, count)
    kept = _from_bytes(data[where + table :], header, count)
    numbers = np.frombuffer(data[where : where + table], "<f4")
    if header["values"] in ("raw", "planes"):
        flat = np.zeros(size, dtype)
        flat[at] = kept
        return flat.reshape(shape)
    if header["values"] == "scaled":
        codes = np.zeros(size, np.int8)
        codes[at] = kept
        axis = header["axis"]
        require(axis is None or 0 <= axis < len(shape), "its scales have no axis")
        require(len(numbers) == (1 if axis is None else shape[axis]), "its scales do not fit")
        scale = numbers[0] if axis is None else numbers
        how = Quantization(scale, np.zeros(scale.shape), axis, bits=header["bits"])
        return how.dequantize(codes.reshape(shape)).astype(dtype)
    flat = np.zeros(size, np.float32)
    require(count == 0 or int(kept.max(initial=0)) < len(numbers), "its table is too short")
    flat[at] = numbers[kept]
    return flat.reshape(shape).astype(dtype)


def require(holds: bool, otherwise: str) -> None:
    """Raise ValueError unless something holds that is true of every file that was written here."""
    if not holds:
        raise ValueError(otherwise)


# What the values are
def _scaled(array: Array, coding: Coding) -> tuple[Array, bytes, int]:
    """Integers with a scale for each output channel, the scales, and the integer of zero."""
    _require_finite(array)
    others = tuple(i for i in range(array.ndim) if i != coding.axis)
    largest = np.abs(array).max(axis=None if coding.axis is None else others, initial=0)
    how = symmetric(largest, coding.axis, bits=coding.bits or 8)
    codes = how.quantize(array).reshape(-1)
    return codes, np.atleast_1d(how.scale).astype("<f4").tobytes(), 0


def _require_finite(values: Array) -> None:
    if bad := int((~np.isfinite(values)).sum()):
        raise ValueError(f"{bad} of its values are NaN or infinite, and cannot be rounded")


def _with_codebook(array: Array, coding: Coding) -> tuple[Array, bytes, int]:
    """Numbers of entries, the table, and the number of zero, which is always the first entry."""
    flat = array.reshape(-1).astype(np.float64)
    _require_finite(flat)
    entries = 2 ** _checked(coding.bits)
    codes = np.zeros(len(flat), np.uint8)
    table = centroids(flat[flat != 0], entries - 1)
    edges = (table[1:] + table[:-1]) / 2
    codes[flat != 0] = 1 + np.searchsorted(edges, flat[flat != 0])
    return codes, np.concatenate([[0], table]).astype("<f4").tobytes(), 0


def centroids(values: Array, count: int, rounds: int = 50) -> Array:
    """Return at most `count` numbers, ascending, near which the values (n,) lie: k-means.

    It begins with numbers spread evenly from the smallest value to the largest, which keeps the
    large weights, of which there are few, from being rounded most. Lloyd, "Least squares
    quantization in PCM", 1982; Han et al., 2016, section 3.2.
    """
    ordered = np.sort(values)
    if not len(ordered):
        return ordered
    sums = np.concatenate([[0.0], np.cumsum(ordered)])
    centres = np.unique(np.linspace(ordered[0], ordered[-1], count))
    for _ in range(rounds):
        edges = np.searchsorted(ordered, (centres[1:] + centres[:-1]) / 2)
        edges = np.concatenate([[0], edges, [len(ordered)]])
        counts = np.diff(edges)
        means = np.diff(sums[edges]) / np.maximum(counts, 1)
        moved = np.sort(np.where(counts > 0, means, centres))
        if np.array_equal(moved, centres):
            break
        centres = moved
    return centres


def _checked(bits: int | None) -> int:
    if bits is None or not 1 <= bits <= 8:
        raise ValueError(f"a codebook of {bits} bits: from 1 to 8 are possible")
    return bits


def _as_bytes(kept: Array, form: Header) -> bytes:
    """Values as they lie, or the first bytes of all and then the second; codes, or their bits."""
    if form["values"] in ("raw", "planes"):
        little = kept.astype(kept.dtype.newbyteorder("<"), copy=False)
        if form["values"] == "planes" and little.itemsize > 1:
            return little.view(np.uint8).reshape(-1, little.itemsize).T.tobytes()
        return little.tobytes()
    bits = form["bits"]
    if not form["packed"] or bits == 8:
        return kept.tobytes()
    one_each = np.unpackbits(kept.view(np.uint8)[:, np.newaxis], axis=1)[:, 8 - bits :]
    return np.packbits(one_each).tobytes()


def _from_bytes(data: bytes, form: Header, count: int) -> Array:
    if form["values"] in ("raw", "planes"):
        dtype = np.dtype(form["dtype"]).newbyteorder("<")
        require(len(data) == count * dtype.itemsize, "its values have another length")
        if form["values"] == "planes" and dtype.itemsize > 1:
            planes = np.frombuffer(data, np.uint8).reshape(dtype.itemsize, count)
            data = planes.T.tobytes()
        return np.frombuffer(data, dtype)
    bits, signed = form["bits"], form["values"] == "scaled"
    require(1 <= bits <= 8, "its values have no such number of bits")
    if not form["packed"] or bits == 8:
        require(len(data) == count, "its values have another length")
        return np.frombuffer(data, np.int8 if signed else np.uint8)
    require(len(data) == (count * bits + 7) // 8, "its values have another length")
    one_each = np.unpackbits(np.frombuffer(data, np.uint8), count=count * bits)
    codes = np.packbits(one_each.reshape(count, bits), axis=1).reshape(-1)  # left-aligned
    if signed:  # shifting an int8 to the right keeps its sign
        return codes.view(np.int8) >> (8 - bits)
    return codes >> (8 - bits)


# Where they are
def _where(places: str, empty: Array) -> bytes:
    if places == "all":
        return b""
    if places == "mask":
        return np.packbits(~empty).tobytes()
    gaps = np.diff(np.flatnonzero(~empty), prepend=-1) - 1
    skips = gaps // ESCAPE
    whole = np.full(len(gaps) + int(skips.sum()), ESCAPE, np.uint8)
    whole[np.cumsum(skips + 1) - 1] = gaps % ESCAPE
    return whole.tobytes()


def _places(places: str, where: bytes, size: int, count: int) -> Any:
    """Return what picks the places of the values: a slice, or their indices (count,)."""
    require(places in PLACES, "its places are unknown")
    if places == "all":
        require(count == size and not where, "it has not a value for every place")
        return slice(None)
    stored = np.frombuffer(where, np.uint8)
    if places == "mask":
        require(len(stored) == (size + 7) // 8, "its mask has another length")
        at = np.flatnonzero(np.unpackbits(stored, count=size))
        require(len(at) == count, "its mask has another number of places")
        return at
    ends = np.flatnonzero(stored != ESCAPE)
    require(len(ends) == count, "its gaps have another number of places")
    at = np.cumsum(stored, dtype=np.int64)[ends] + np.arange(count)
    require(not count or int(at[-1]) < size, "its gaps lead out of it")
    return at
