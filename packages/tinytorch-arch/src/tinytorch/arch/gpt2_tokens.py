"""GPT-2's own tokens, from the `merges.txt` that is published with its weights.

They are byte pair encoding as in module 10, but two things are written otherwise: a file names
tokens by letters, one for each byte, and ids count bytes in the order of these letters, so that
"!" is 0 and a space is 220. Radford et al., "Language Models are Unsupervised Multitask Learners",
2019. Left out: fetching the file, and the weights (`gpt2.py`).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tinytorch.arch.token_checks import Pair, checked_ids
from tinytorch.arch.tokenization import BPETokenizer
from tinytorch.core.files import AnyPath

END_OF_TEXT = "<|endoftext|>"
PRINTED = [*range(33, 127), *range(161, 173), *range(174, 256)]  # bytes that are their own letter
BYTES = [*PRINTED, *(byte for byte in range(256) if byte not in PRINTED)]  # in GPT-2's order
IDS = [BYTES.index(byte) for byte in range(256)]
# the other bytes have the letters from 256 on: a space is Ġ, a line end Ċ
LETTERS = {chr(b) if b in PRINTED else chr(256 + i - len(PRINTED)): b for i, b in enumerate(BYTES)}


class GPT2Tokenizer:
    """Text to GPT-2's ids, and back: 256 bytes, 50,000 merges, and "<|endoftext|>".

    merges  the path of `merges.txt`

    Fractions and Roman numeral signs, which GPT-2 takes for digits, are letters here (see `split`),
    and so may be cut otherwise. Raises FileNotFoundError, or ValueError for another file.
    """

    def __init__(self, merges: AnyPath) -> None:
        self._tokenizer = BPETokenizer(_read(merges), [END_OF_TEXT])

    @property
    def vocab_size(self) -> int:
        """How many tokens there are: 50,257 with the published file."""
        return self._tokenizer.vocab_size

    def encode(self, text: str | bytes, allowed_special: str | Iterable[str] = ()) -> list[int]:
        """Return the ids of the tokens of `text`, as `BPETokenizer.encode` does."""
        return [IDS[i] if i < 256 else i for i in self._tokenizer.encode(text, allowed_special)]

    def decode(self, ids: Any, errors: str = "replace") -> str:
        """Return the text of `ids`, as `BPETokenizer.decode` does."""
        return self.decode_bytes(ids).decode("utf-8", errors)

    def decode_bytes(self, ids: Any) -> bytes:
        """Return the bytes of `ids`, whether they are text or not."""
        numbers = checked_ids(ids, self.vocab_size)
        return self._tokenizer.decode_bytes([BYTES[i] if i < 256 else i for i in numbers])

    def __repr__(self) -> str:
        return f"GPT2Tokenizer({self.vocab_size:,} tokens)"


def _read(path: AnyPath) -> list[Pair]:
    """Return the merges of a file, with bytes numbered by themselves."""
    try:
        lines = Path(path).read_text("utf-8").splitlines()
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: there is no such file to load") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path} is no merges.txt: it is not even text") from None
    ids = dict(LETTERS)
    merges: list[Pair] = []
    for number, line in enumerate(lines, start=1):
        if not line or (number == 1 and line.startswith("#version")):
            continue
        parts = line.split(" ")
        if len(parts) != 2 or not all(part in ids for part in parts):
            raise ValueError(
                f"{path} is no merges.txt of GPT-2: line {number}, {line!r:.60}, does not name two "
                "tokens that exist before it"
            )
        left, right = parts
        ids.setdefault(left + right, 256 + len(merges))
        merges.append((ids[left], ids[right]))
    return merges
