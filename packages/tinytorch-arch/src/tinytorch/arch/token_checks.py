"""What can be ids, merges and special tokens; and what each of them stands for.

Whoever hands over something else reads what is wrong with it. Left out: the tokenizers themselves
(`tokenization.py`) and their files (`token_files.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from tinytorch.arch.utf8 import checked_text

Pair = tuple[int, int]


def token_bytes(merges: Iterable[Pair]) -> list[bytes]:
    """Return the bytes of each token: the 256 single bytes, then what each merge joins."""
    vocab = [bytes([i]) for i in range(256)]
    for left, right in merges:
        vocab.append(vocab[left] + vocab[right])
    return vocab


def checked_merges(merges: Iterable[Any]) -> list[Pair]:
    """Return merges as a list of pairs. Raises ValueError for one that cannot be."""
    checked: dict[Pair, None] = {}
    for k, merge in enumerate(merges):
        pair = tuple(merge) if isinstance(merge, list | tuple) else ()
        if len(pair) != 2 or not all(type(i) is int and 0 <= i < 256 + k for i in pair):
            raise ValueError(
                f"merge {k} is {merge!r:.60}: it joins two tokens that exist before it, "
                f"integers from 0 to {255 + k}"
            )
        if pair in checked:
            raise ValueError(f"merge {k} joins {pair}, as an earlier merge does: leave it out")
        checked[pair] = None
    return list(checked)


def checked_special_tokens(tokens: Any) -> list[str]:
    """Return special tokens as a list of texts. Raises ValueError for what cannot be one."""
    if isinstance(tokens, str):
        raise ValueError(f"special_tokens is a list of texts: [{tokens!r}]?")
    checked: dict[str, None] = {}
    for token in tokens:
        if not isinstance(token, str) or not token:
            raise ValueError(f"special_tokens: {token!r:.60} is no text of at least a character")
        if token in checked:
            raise ValueError(f"special_tokens: {token!r} stands there twice")
        checked[checked_text(token)] = None
    return list(checked)


def checked_allowed(allowed: str | Iterable[str], tokens: list[str]) -> list[str]:
    """Return which of the special `tokens` are allowed. Raises ValueError for another."""
    names = tokens if allowed == "all" else [allowed] if isinstance(allowed, str) else list(allowed)
    for name in names:
        if name not in tokens:
            raise ValueError(
                f"allowed_special: {name!r} is no special token of this tokenizer, which has "
                f'{tokens}; or did you mean "all"?'
            )
    return names


def split_at(special: Sequence[str], text: str) -> list[str]:
    """Cut a text before and after each special token in it; of overlapping ones, the longest.

    >>> split_at(["<a>", "<a><b>"], "1<a>2<a><b>")
    ['1', '<a>', '2', '<a><b>']
    """
    if not special:
        return [text]
    longest_first = sorted(special, key=len, reverse=True)
    pattern = "|".join(re.escape(token) for token in longest_first)
    return [part for part in re.split(f"({pattern})", text) if part]


def checked_ids(ids: Any, vocab_size: int) -> list[int]:
    """Return `ids` as a list of integers. Raises TypeError, ValueError or IndexError."""
    array = np.asarray(ids)
    if array.size == 0:
        return []
    if array.dtype.kind not in "iu":
        raise TypeError(f"decode: ids are integers, not {array.dtype}: {array.flat[0]}")
    if array.ndim > 1:
        raise ValueError(f"decode: one sequence of ids, not shape {array.shape}; decode each row")
    array = array.reshape(-1)
    wrong = np.flatnonzero((array < 0) | (array >= vocab_size))
    if wrong.size:
        raise IndexError(
            f"decode: id {array[wrong[0]]} at position {wrong[0]}, but the vocabulary has "
            f"{vocab_size} tokens, 0 to {vocab_size - 1}. Was it made by another tokenizer?"
        )
    found: list[int] = array.tolist()
    return found
