"""Tensors in files: `save` and `load` in safetensors, a format that holds numbers and no code.

A file is written whole or not at all, and what comes back is checked. Left out: what belongs in a
training checkpoint (`checkpoints.py`). Nothing in TinyTorch reads or writes pickles: loading one
runs whatever program its maker put into it.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tinytorch.core.files import AnyPath, write_atomically
from tinytorch.core.primitive import Array
from tinytorch.core.tensor import Tensor

CHECKSUM = "tinytorch.crc32"  # among the metadata of each file that `save` wrote

Tensors = Mapping[str, Tensor | Array]


def save(tensors: Tensors, path: AnyPath, metadata: Mapping[str, str] | None = None) -> None:
    """Write tensors to `path`, by name, in safetensors.

    tensors   such as `model.state_dict()`: tensors or arrays, of any layout
    metadata  texts to keep beside them

    The file appears complete, or the one that was there stays. Raises TypeError for what the
    format cannot hold, FileNotFoundError where there is no such folder.
    """
    write_atomically(path, to_bytes(tensors, metadata))


def load(path: AnyPath) -> dict[str, Array]:
    """Read the arrays of a safetensors file, by name: `model.load_state_dict(load(path))`.

    Raises FileNotFoundError, or ValueError for a file that is cut off, changed, or something else.
    """
    return read(path)[0]


def load_metadata(path: AnyPath) -> dict[str, str]:
    """Read the texts that `save` was given. The whole file is checked, as by `load`."""
    return read(path)[1]


def to_bytes(tensors: Tensors, metadata: Mapping[str, str] | None = None) -> bytes:
    """Return what `save` writes: a safetensors file with a checksum among its metadata."""
    import safetensors.numpy

    if not isinstance(tensors, Mapping):
        raise TypeError(
            f"save: expected tensors by name, got a {type(tensors).__name__}: "
            "save(model.state_dict(), path)"
        )
    arrays = {name: _storable(name, tensor) for name, tensor in tensors.items()}
    texts = dict(metadata or {})
    for key, text in texts.items():
        if not (isinstance(key, str) and isinstance(text, str)):
            raise TypeError(f"metadata holds texts only, not {key!r}: {text!r:.60}. str(...)?")
    texts[CHECKSUM] = _checksum(arrays, texts)
    return _in_order(safetensors.numpy.save(arrays, texts))


def read(path: AnyPath) -> tuple[dict[str, Array], dict[str, str]]:
    """Read arrays and metadata. Raises as `load` does."""
    import safetensors.numpy

    try:
        content = Path(path).read_bytes()
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: there is no such file to load") from None
    except (IsADirectoryError, PermissionError):
        if not Path(path).is_dir():
            raise
        files = ", ".join(sorted(file.name for file in Path(path).glob("*.safetensors")))
        raise IsADirectoryError(
            f"{path} is a folder: name a file in it ({files or 'it holds no .safetensors file'})"
        ) from None
    try:
        arrays = safetensors.numpy.load(content)
        header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    except Exception as error:
        if content[:4] == b"PK\x03\x04" or content[:1] == b"\x80":
            raise ValueError(
                f"{path} is a zip or a pickle, as torch.save and np.savez write them, and loading "
                "a pickle can run any program. Where it was made, save it with "
                "safetensors.torch.save_file or safetensors.numpy.save_file instead"
            ) from None
        raise ValueError(
            f"{path} ({len(content):,} bytes) is no complete safetensors file: {error}. It was cut "
            "off, changed, or is something else: copy it anew, or take an earlier one"
        ) from None
    texts: dict[str, str] = header.get("__metadata__", {})
    expected = texts.pop(CHECKSUM, None)
    if expected is not None and expected != _checksum(arrays, texts):
        raise ValueError(
            f"{path} was changed after it was written: its checksum does not fit what it holds. "
            "Copy it anew, or take an earlier one"
        )
    return arrays, texts


def _in_order(content: bytes) -> bytes:
    """The same file with its metadata sorted: safetensors writes them in any order."""
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)  # the numbers begin at a multiple of 8
    return len(text).to_bytes(8, "little") + text + content[8 + size :]


def _storable(name: Any, tensor: Tensor | Array) -> Array:
    """Return an array in C order: safetensors takes the memory as it lies."""
    if not isinstance(name, str) or name == "__metadata__":
        raise TypeError(f"a tensor is saved under a name, which {name!r} cannot be")
    array = np.asarray(tensor.data if isinstance(tensor, Tensor) else tensor, order="C")
    if array.dtype.kind not in "fiub" or array.dtype.itemsize > 8:
        raise TypeError(
            f"{name}: {array.dtype} cannot be saved, only integers, booleans and floating point "
            "of up to 64 bits can. Text belongs into metadata"
        )
    return array.astype(array.dtype.newbyteorder("<"), copy=False)


def _checksum(arrays: Mapping[str, Array], texts: Mapping[str, str]) -> str:
    crc = zlib.crc32(json.dumps(sorted(texts.items())).encode())
    for name, array in sorted(arrays.items()):
        little = array.astype(array.dtype.newbyteorder("<"), copy=False)
        crc = zlib.crc32(f"{name} {array.dtype.name} {array.shape}".encode(), crc)
        crc = zlib.crc32(little.reshape(-1).view(np.uint8).data, crc)
    return f"{crc:08x}"
