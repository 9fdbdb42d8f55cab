"""Tokenizers in files: JSON that people can read, written whole or not at all, checked when read.

A file says what it holds and in which version of the format. `BPETokenizer` puts each merge on a
line, as the two ids it joins and the text they make: `[116, 104, "th"]`. The text is for readers,
and whoever damages the numbers is found out by it. Left out: the tokenizers (`tokenization.py`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tinytorch.arch.token_checks import (
    Pair,
    checked_merges,
    checked_special_tokens,
    token_bytes,
)
from tinytorch.core.files import AnyPath, write_atomically

VERSION = 1  # of the format; a file with a higher one comes from a later TinyTorch


def write_characters(path: AnyPath, characters: Sequence[str]) -> None:
    """Write the characters of a CharTokenizer."""
    _write(path, "CharTokenizer", f'"characters": {_json("".join(characters))}')


def read_characters(path: AnyPath) -> str:
    """Return the characters of a CharTokenizer. Raises as `BPETokenizer.load` does."""
    content = _read(path, "CharTokenizer")
    characters = content.get("characters")
    if not isinstance(characters, str) or characters != "".join(sorted(set(characters))):
        raise _damaged(path, '"characters" is not a text of different characters in order')
    return characters


def write_bpe(path: AnyPath, merges: Sequence[Pair], special_tokens: Sequence[str]) -> None:
    """Write the merges and special tokens of a BPETokenizer, one line a merge."""
    vocab = token_bytes(merges)
    lines = [
        f"    [{left}, {right}, {_json(_shown(vocab[256 + k]))}]"
        for k, (left, right) in enumerate(merges)
    ]
    listed = "[\n" + ",\n".join(lines) + "\n  ]" if lines else "[]"
    _write(
        path,
        "BPETokenizer",
        f'"special_tokens": {_json(list(special_tokens))},\n  "merges": {listed}',
    )


def read_bpe(path: AnyPath) -> tuple[list[Pair], list[str]]:
    """Return merges and special tokens. Raises FileNotFoundError or ValueError."""
    content = _read(path, "BPETokenizer")
    rows, special_tokens = content.get("merges"), content.get("special_tokens")
    if not isinstance(rows, list) or not isinstance(special_tokens, list):
        raise _damaged(path, '"merges" and "special_tokens" are not both there as lists')
    for k, row in enumerate(rows):
        if not (isinstance(row, list) and len(row) == 3):
            raise _damaged(path, f'merge {k} is {row!r:.60}, not [id, id, "text"]')
    try:
        merges = checked_merges((left, right) for left, right, _ in rows)
        special_tokens = checked_special_tokens(special_tokens)
    except ValueError as error:
        raise _damaged(path, str(error)) from None
    vocab = token_bytes([])
    for k, (left, right, text) in enumerate(rows):
        vocab.append(vocab[left] + vocab[right])
        if _shown(vocab[-1]) != text:
            made = _shown(vocab[-1])
            raise _damaged(
                path, f"merge {k}, of {left} and {right}, makes {made!r:.60}, not {text!r:.60}"
            )
    return merges, special_tokens


# What every file has
def _write(path: AnyPath, kind: str, body: str) -> None:
    head = f'"format": "tinytorch.{kind}",\n  "version": {VERSION}'
    write_atomically(path, f"{{\n  {head},\n  {body}\n}}\n")


def _read(path: AnyPath, kind: str) -> dict[str, Any]:
    """Return what a tokenizer's file holds, if it is one of this kind and version."""
    try:
        text = Path(path).read_text("utf-8")
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: there is no such file to load") from None
    except UnicodeDecodeError:
        raise _damaged(path, "it is not even text") from None
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _damaged(path, f"it is no complete JSON: {error}") from None
    found = content.get("format") if isinstance(content, dict) else None
    if found != f"tinytorch.{kind}":
        if found in ("tinytorch.CharTokenizer", "tinytorch.BPETokenizer"):
            other = found.removeprefix("tinytorch.")
            raise ValueError(f"{path} holds a {other}: use {other}.load")
        raise _damaged(path, f'its "format" is {found!r:.60}, not "tinytorch.{kind}"')
    version = content.get("version")
    if type(version) is int and version > VERSION:
        raise ValueError(
            f"{path} has version {version} of the format, and this TinyTorch reads up to "
            f"{VERSION}: python -m pip install --upgrade tinytorch-arch"
        )
    if version != VERSION:
        raise _damaged(path, f'its "version" is {version!r:.60}, not {VERSION}')
    return content


def _damaged(path: AnyPath, reason: str) -> ValueError:
    return ValueError(
        f"{path} is no tokenizer that save() wrote: {reason}. It was cut off, changed, or is "
        "something else: copy it anew, or train again"
    )


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)  # letters stay letters


def _shown(token: bytes) -> str:
    """Return a token for people to read: bytes that are no text as \\x.."""
    return token.decode("utf-8", "backslashreplace")
