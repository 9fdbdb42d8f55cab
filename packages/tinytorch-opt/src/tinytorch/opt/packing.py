"""Packed files: models on the disk in as few bytes as their zeros and small integers need.

    pack(model, "model.ttpack", bits=8)       # returns what became of each tensor
    unpack("model.ttpack", model)             # into a model of the same shapes
    small = fitted(LeNet5(), read_packed("model.ttpack"))   # of smaller ones: structured.py

A safetensors file has four bytes for each number, zero or not. Here each tensor is written in the
shortest of several ways (`tensor_codes.py`), and all of them together go through a lossless
compressor of the standard library, if that gains anything. Without `bits` every number comes back
exactly; with `bits` the report says how far they are off.

The file: 8 bytes of signature, 1 of version, 1 of the compressor, 8 with the length of what was
compressed, 4 with a CRC-32 of all that follows the version, then the compressed bytes. Those hold 4
bytes with the length of a header, the header in JSON, and the tensors' bytes one after the other.
Nothing in it is ever run, and no array is made before its size was checked.

Left out: computing with packed weights; they are unpacked when they are read.
"""

from __future__ import annotations

import json
import lzma
import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tinytorch.core.files import AnyPath, write_atomically
from tinytorch.core.layers import Linear, Module
from tinytorch.core.primitive import Array
from tinytorch.opt.tensor_codes import DTYPES, Coding, decode, encode, require

SIGNATURE = b"TTPACK\r\n"  # the last two show a file that was sent as text
VERSION = 1
FRONT = 22  # bytes before those that are compressed
LIMIT = 2**30  # bytes of all arrays of a file, unless the reader says otherwise
LZMA: list[dict[str, Any]] = [  # lc=0: a byte says little about the next where each is a code
    {"id": lzma.FILTER_LZMA1, "dict_size": 2**20, "lc": 0, "lp": 0, "pb": 0, "nice_len": 273}
]
COMPRESSORS = ("none", "zlib", "lzma")


# Writing
@dataclass(frozen=True)
class PackedTensor:
    """What became of a tensor: bytes before the last stage, and the largest change of a value."""

    name: str
    shape: tuple[int, ...]
    form: str
    nbytes: int
    error: float


@dataclass(frozen=True)
class Packed:
    """What `pack` wrote: a row for each tensor, the bytes of the file, and its last stage."""

    tensors: tuple[PackedTensor, ...]
    nbytes: int
    compressor: str

    def __str__(self) -> str:
        lines = [f"{'tensor':<24}{'shape':>16}  {'written as':<22}{'bytes':>9}{'error':>11}"]
        for row in self.tensors:
            shape = " x ".join(map(str, row.shape))
            error = f"{row.error:.2g}" if row.error else "exact"
            lines.append(f"{row.name:<24}{shape:>16}  {row.form:<22}{row.nbytes:>9,}{error:>11}")
        return "\n".join([*lines, f"{self.nbytes:,} bytes on the disk, after {self.compressor}"])


def pack(
    model: Module,
    path: AnyPath,
    *,
    bits: int | Mapping[str, int] | None = None,
    codebook: bool = False,
    metadata: Mapping[str, str] | None = None,
) -> Packed:
    """Write the parameters and buffers of a model to `path`, and say what became of them.

    bits      of each weight, from 2 to 8, for all weights with two axes or more, or by name; None:
              all values stay as they are. Everything else is always exact
    codebook  values from a table that k-means makes, in place of integers with scales
    metadata  texts to keep beside them

    The file appears complete, or the one that was there stays. Raises KeyError for a name that
    there is none of, ValueError for values that are no numbers, TypeError for what is no model.
    """
    _require_model("pack(model, path)", model)
    codings = _codings(model, bits, codebook)
    content, report = to_bytes(model.state_dict(), codings, metadata)
    write_atomically(path, content)
    return report


def to_bytes(
    arrays: Mapping[str, Array],
    codings: Mapping[str, Coding] | None = None,
    metadata: Mapping[str, str] | None = None,
) -> tuple[bytes, Packed]:
    """Return what `pack` writes, and its report. Arrays without a coding stay as they are."""
    headers, parts, rows = [], [], []
    for name, array in arrays.items():
        if array.dtype.name not in DTYPES:
            raise TypeError(f"{name}: {array.dtype} cannot be packed; numbers and booleans can")
        try:
            coded = encode(array, (codings or {}).get(name, Coding()), _cost)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
        headers.append({"name": name, "length": len(coded.data)} | coded.header)
        parts.append(coded.data)
        rows.append(_row(name, array, coded.header, coded.data))
    header = json.dumps(
        {"tensors": headers, "metadata": dict(metadata or {})}, separators=(",", ":")
    ).encode()
    body = b"".join([len(header).to_bytes(4, "little"), header, *parts])
    stages = [_compress(number, body) for number in range(len(COMPRESSORS))]
    packed = min(stages, key=len)
    number = stages.index(packed)
    front = bytes([number]) + len(body).to_bytes(8, "little")
    crc = zlib.crc32(packed, zlib.crc32(front)).to_bytes(4, "little")
    content = b"".join([SIGNATURE, bytes([VERSION]), front, crc, packed])
    return content, Packed(tuple(rows), len(content), COMPRESSORS[number])


def _codings(
    model: Module, bits: int | Mapping[str, int] | None, codebook: bool
) -> dict[str, Coding]:
    """The coding of each weight: with the axis of the outputs, where the layer tells it."""
    found: dict[str, int] = {}
    for prefix, module in model.named_modules():
        for own, tensor in module.own_tensors().items():
            if tensor.ndim >= 2 and tensor.dtype.kind == "f":
                outputs = 1 if isinstance(module, Linear) else 0
                found[f"{prefix}.{own}" if prefix else own] = outputs
    if bits is None:
        return {}
    of_each = bits if isinstance(bits, Mapping) else dict.fromkeys(found, bits)
    for name in of_each:
        if name not in found:
            raise KeyError(f"there is no weight {name!r} to round; there are {', '.join(found)}")
    return {
        name: Coding(n, None if codebook else found[name], codebook) for name, n in of_each.items()
    }


def _row(name: str, array: Array, header: dict[str, Any], data: bytes) -> PackedTensor:
    form = {"raw": array.dtype.name, "planes": f"{array.dtype.name}, by byte"}.get(
        header["values"], f"{header.get('bits')} bits, {header['values']}"
    )
    if header["places"] != "all":
        form += f", {header['places']}"
    back = decode(header, data)
    error = 0.0
    if header["values"] in ("scaled", "codebook"):
        error = float(np.abs(back - array).max(initial=0))
    return PackedTensor(name, array.shape, form, len(data), error)


def _compress(number: int, body: bytes) -> bytes:
    if COMPRESSORS[number] == "zlib":
        return zlib.compress(body, 9)
    if COMPRESSORS[number] == "lzma":
        return lzma.compress(body, lzma.FORMAT_RAW, filters=LZMA)
    return body


def _cost(data: bytes) -> int:
    """About how many bytes the last stage leaves of these."""
    return min(len(data), len(_compress(COMPRESSORS.index("lzma"), data)))


def _require_model(call: str, model: Any) -> None:
    """Raise TypeError for what is no model: a class, or arguments the other way round."""
    if not isinstance(model, Module):
        kind = f"the class {model.__name__}" if isinstance(model, type) else type(model).__name__
        raise TypeError(f"{call}: model is {kind}, not a model: make one first, as in LeNet5()")


# Reading
def unpack(path: AnyPath, model: Module) -> None:
    """Read a packed file into a model of the same shapes.

    Raises FileNotFoundError; ValueError for a file that is cut off, changed, something else, or of
    a model with other shapes: of one that was shrunk, `fitted(model, read_packed(path))` makes it.
    TypeError for what is no model.
    """
    _require_model("unpack(path, model)", model)
    elements = sum(array.size for array in model.state_dict().values())
    arrays = read_packed(path, 8 * elements + 2**16)
    try:
        model.load_state_dict(arrays)
    except ValueError as error:
        raise ValueError(
            f"{path}: {error}\nOf a model that was shrunk? tinytorch.opt.structured makes one of "
            "those sizes: small = fitted(model, read_packed(path))"
        ) from None


def read_packed(path: AnyPath, limit: int = LIMIT) -> dict[str, Array]:
    """Read the arrays of a packed file, by name.

    limit  bytes that all arrays together may take: a file can say that it holds more than there is
           memory

    Raises FileNotFoundError; ValueError for a file that is cut off, changed, something else, or
    larger than the limit.
    """
    return _read(path, limit)[0]


def read_metadata(path: AnyPath, limit: int = LIMIT) -> dict[str, str]:
    """Read the texts that `pack` was given. The whole file is checked, as by `read_packed`."""
    return _read(path, limit)[1]


def _read(path: AnyPath, limit: int) -> tuple[dict[str, Array], dict[str, str]]:
    try:
        content = Path(path).read_bytes()
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: there is no such file to unpack") from None
    try:
        return from_bytes(content, limit)
    except ValueError as error:
        raise ValueError(f"{path} ({len(content):,} bytes) cannot be unpacked: {error}") from None


def from_bytes(content: bytes, limit: int = LIMIT) -> tuple[dict[str, Array], dict[str, str]]:
    """Return the arrays and the texts of what `to_bytes` made. Raises ValueError."""
    require(content[: len(SIGNATURE)] == SIGNATURE, "it is no packed file, or was cut off")
    require(len(content) >= FRONT, "it was cut off")
    version = content[8]
    require(version == VERSION, f"its version is {version}, and {VERSION} is the one known here")
    crc = zlib.crc32(content[FRONT:], zlib.crc32(content[9:18]))
    require(
        crc == int.from_bytes(content[18:FRONT], "little"),
        "it was cut off or changed: its checksum does not fit. Copy it anew",
    )
    length = int.from_bytes(content[10:18], "little")
    most = 2 * limit + 2**20  # values, their places, and the header
    require(length <= most, f"it holds {length:,} bytes, and {limit:,} bytes of arrays are allowed")
    body = _decompress(content[9], content[FRONT:], length)
    require(len(body) == length, "it holds another number of bytes than it says")
    try:
        return _parse(body, limit)
    except (ValueError, TypeError, KeyError, IndexError, RecursionError, OverflowError) as error:
        if type(error) is ValueError:  # told by `require`
            raise
        told = f"{type(error).__name__}: {error}"
        raise ValueError(f"it contradicts itself: {told:.200}") from None


def _decompress(number: int, packed: bytes, length: int) -> bytes:
    """Undo the last stage; never make more than one byte beyond `length`."""
    try:
        require(number < len(COMPRESSORS), "its compressor is unknown")
        if COMPRESSORS[number] == "zlib":
            return zlib.decompressobj().decompress(packed, length + 1)
        if COMPRESSORS[number] == "lzma":
            decompressor = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=LZMA)
            return decompressor.decompress(packed, length + 1)
        return packed
    except (zlib.error, lzma.LZMAError, EOFError) as error:
        raise ValueError(f"it cannot be decompressed: {error}") from None


def _parse(body: bytes, limit: int) -> tuple[dict[str, Array], dict[str, str]]:
    start = 4 + int.from_bytes(body[:4], "little")
    require(4 <= start <= len(body), "its header is longer than the file")
    header = json.loads(body[4:start])
    texts = header["metadata"]
    require(
        isinstance(texts, dict) and all(isinstance(text, str) for text in texts.values()),
        "its metadata are no texts",
    )
    for tensor in header["tensors"]:
        limit -= _size(tensor)
        require(limit >= 0, "its arrays are larger than what is allowed")
    arrays: dict[str, Array] = {}
    for tensor in header["tensors"]:
        name, stop = tensor["name"], start + tensor["length"]
        require(isinstance(name, str) and name not in arrays, f"{name!r} is there twice")
        require(stop <= len(body), f"{name} is longer than the file")
        try:
            arrays[name] = decode(tensor, body[start:stop])
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
        start = stop
    require(start == len(body), "there are bytes after the last array")
    return arrays, texts


def _size(tensor: Any) -> int:
    """The bytes of an array, from a header that may say anything. Raises ValueError."""
    require(isinstance(tensor, dict) and tensor["dtype"] in DTYPES, "an array has no type")
    shape, counts = tensor["shape"], [tensor["length"], tensor["count"], tensor["where"]]
    counts += [tensor.get("table", 0), tensor.get("bits", 0)]
    axis = tensor.get("axis")
    numbers = [*shape, *counts, 0 if axis is None else axis]
    require(
        len(shape) <= 32 and all(type(n) is int and 0 <= n < 2**48 for n in numbers),
        "a size is no whole number, or too large",
    )
    return math.prod(shape) * np.dtype(tensor["dtype"]).itemsize
