"""Module 10: tokenization. Text becomes a list of integers, and comes back unharmed.

`CharTokenizer` gives each character a number. `BPETokenizer` starts from the 256 bytes, so that it
can spell any text, and learns from a text which neighbours to join: byte pair encoding, whole words
of it one token each in the end. Everything here is the plain definition. Left out: how the same
merges are learned and applied quickly (`kernels/learn_merges.py`, `kernels/apply_merges.py`), what
ids, merges and special tokens can be (`token_checks.py`), what a saved tokenizer looks like
(`token_files.py`), and vectors for tokens (module 11).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from tinytorch.arch.sizes import require_sizes
from tinytorch.arch.token_checks import (
    Pair,
    checked_allowed,
    checked_ids,
    checked_merges,
    checked_special_tokens,
    split_at,
    token_bytes,
)
from tinytorch.arch.token_files import read_bpe, read_characters, write_bpe, write_characters
from tinytorch.arch.utf8 import as_bytes, as_text, checked_text
from tinytorch.core.files import AnyPath
from tinytorch.core.primitive import routine

MOST_WORDS, LONGEST_WORD = 100_000, 64  # that a tokenizer remembers: some 20 MB


class CharTokenizer:
    """One token for each character: those of `text`, in the order of their code points.

    Raises TypeError for what is no text, ValueError for half a surrogate pair in it.

    >>> tokenizer = CharTokenizer("hello")
    >>> tokenizer.vocab_size, tokenizer.encode("hole")
    (4, [1, 3, 2, 0])
    >>> tokenizer.decode([1, 0, 2, 2, 3])
    'hello'
    """

    def __init__(self, text: str) -> None:
        self.characters = sorted(set(checked_text(text)))
        self.ids = {character: i for i, character in enumerate(self.characters)}

    @property
    def vocab_size(self) -> int:
        """How many tokens there are; ids run from 0 to vocab_size - 1."""
        return len(self.characters)

    def encode(self, text: str) -> list[int]:
        """Return the id of each character.

        Raises ValueError for one that is not known, TypeError for what is no text.
        """
        try:
            return [self.ids[character] for character in checked_text(text)]
        except KeyError as error:
            unknown = error.args[0]
            raise ValueError(
                f"encode: {unknown!a} (character {text.index(unknown)} of the text) is not among "
                f"the {self.vocab_size} characters of this tokenizer. Make it from a text that "
                "holds all of them, or use BPETokenizer, which encodes any text"
            ) from None

    def decode(self, ids: Any) -> str:
        """Return the text of `ids`: integers in a list, an array or a tensor.

        Raises TypeError for other numbers, IndexError for an id that does not exist.
        """
        return "".join([self.characters[i] for i in checked_ids(ids, self.vocab_size)])

    def save(self, path: AnyPath) -> None:
        """Write the characters to `path`, in JSON; the file appears complete or not at all."""
        write_characters(path, self.characters)

    @classmethod
    def load(cls, path: AnyPath) -> CharTokenizer:
        """Read what `save` wrote. Raises FileNotFoundError, or ValueError for another file."""
        return cls(read_characters(path))

    def __repr__(self) -> str:
        return f"CharTokenizer({self.vocab_size:,} characters)"


# Byte pair encoding, piece by piece
WORD = re.compile(
    r"'(?:[sdmt]|ll|ve|re)"  # the end of an English contraction: 's 't 're
    r"| ?[^\W\d_]+"  # letters, with the space before them
    r"| ?\d+"  # digits
    r"| ?(?:[^\w\s]|_)+"  # neither letters, digits nor space
    r"|\s+(?!\S)"  # space, but for the last one if a word follows
    r"|\s+"
)


def split(text: str) -> list[str]:
    """Cut a text into words. No token will reach across a cut; joined, the words are the text.

    This is GPT-2's cut (Radford et al., "Language Models are Unsupervised Multitask Learners",
    2019) in Python's own `re`, to which a letter is what `str.isalpha` says and also a numeral that
    is no decimal digit: a fraction, a Roman numeral sign.

    >>> split("It's 2 o'clock  now")
    ['It', "'s", ' 2', ' o', "'", 'clock', ' ', ' now']
    """
    return WORD.findall(text)


def count_pairs(words: Iterable[Sequence[int]], times: Iterable[int]) -> Counter[Pair]:
    """Count each pair of neighbours in `words`, where the i-th word occurs `times[i]` times.

    >>> count_pairs([[1, 2, 1, 2], [2, 1]], [1, 10])
    Counter({(2, 1): 11, (1, 2): 2})
    """
    counts: Counter[Pair] = Counter()
    for word, n in zip(words, times, strict=True):
        for pair in pairwise(word):
            counts[pair] += n
    return counts


def merge(ids: Sequence[int], pair: Pair, new: int) -> list[int]:
    """Return `ids` with `new` for each occurrence of `pair`, from left to right.

    >>> merge([1, 1, 1, 2], (1, 1), 9)
    [9, 1, 2]
    """
    merged = []
    i = 0
    while i < len(ids):
        if i + 1 < len(ids) and (ids[i], ids[i + 1]) == pair:
            merged.append(new)
            i += 2
        else:
            merged.append(ids[i])
            i += 1
    return merged


@routine
def learn_merges(words: Mapping[bytes, int], count: int) -> list[Pair]:
    """Learn at most `count` merges from words and how often each occurs.

    The pair that occurs most often is merged into a new token, the first of which is 256, then the
    same is done again. Of several such pairs it is the one with the smallest ids. A pair that
    occurs once saves nothing, and there the learning ends. Sennrich et al., "Neural Machine
    Translation of Rare Words with Subword Units", 2016.

    >>> learn_merges({b"abab": 1, b"cab": 5}, 3)  # ab is 256, and cab 257
    [(97, 98), (99, 256)]
    """
    pieces = [list(word) for word in words]  # a word begins as its bytes
    merges: list[Pair] = []
    while len(merges) < count:
        counts = count_pairs(pieces, words.values())
        if max(counts.values(), default=0) < 2:
            break
        best = min(counts, key=lambda pair: (-counts[pair], pair))
        pieces = [merge(ids, best, 256 + len(merges)) for ids in pieces]
        merges.append(best)
    return merges


@routine
def apply_merges(word: bytes, merged: Mapping[Pair, int]) -> list[int]:
    """Return the tokens of one word. `merged` says which token each pair becomes.

    Tokens are numbered in the order in which they were learned, and merges are applied in it.

    >>> apply_merges(b"cabs", {(97, 98): 256, (99, 256): 257})
    [257, 115]
    """
    ids = list(word)
    while len(ids) > 1:
        pair = min(pairwise(ids), key=lambda pair: merged.get(pair, float("inf")))
        if pair not in merged:
            break
        ids = merge(ids, pair, merged[pair])
    return ids


class BPETokenizer:
    """Byte pair encoding: tokens for the 256 bytes, for what `train` joined, and special ones.

    merges          pairs of ids, in order; the k-th becomes token 256 + k. Learned by `train`
    special_tokens  texts that are one token each, such as "<|endoftext|>"; their ids come last

    Every text and every bytes object can be encoded, and comes back. The cut into words asks
    Unicode what a letter is, so a character that is younger than a Python may be cut differently
    by it. Raises ValueError for merges or special tokens that cannot be.

    >>> tokenizer = BPETokenizer().train("low lower lowest, slow slower slowest", vocab_size=262)
    >>> [tokenizer.decode([i]) for i in tokenizer.encode("slowest")]
    ['s', 'lowe', 'st']
    """

    def __init__(self, merges: Iterable[Pair] = (), special_tokens: Sequence[str] = ()) -> None:
        if isinstance(merges, str):
            raise TypeError(
                "BPETokenizer: merges are pairs of tokens; from a text they are learned by "
                "BPETokenizer().train(text, vocab_size=...)"
            )
        self.special_tokens = checked_special_tokens(special_tokens)
        self._use(checked_merges(merges))

    def _use(self, merges: list[Pair]) -> None:
        """Work with these merges from now on."""
        self.merges = merges
        self.merged = {pair: 256 + k for k, pair in enumerate(merges)}
        self.vocab = token_bytes(merges)
        first = len(self.vocab)
        self.special_ids = {text: first + k for k, text in enumerate(self.special_tokens)}
        self.vocab += [text.encode() for text in self.special_tokens]
        self._known: dict[str, list[int]] = {}  # words met before, and their tokens

    @property
    def vocab_size(self) -> int:
        """How many tokens there are; ids run from 0 to vocab_size - 1."""
        return len(self.vocab)

    def train(self, text: str | bytes, vocab_size: int) -> BPETokenizer:
        """Learn merges from `text`, in place of those there were; return this tokenizer.

        vocab_size  how many tokens there shall be, the bytes and the special tokens among them;
                    there are fewer if the text has not as many pairs that occur twice

        Special tokens in the text part what is around them, and nothing is learned from them.
        Raises ValueError for a vocabulary too small, or a text that cannot be encoded.
        """
        require_sizes("train", vocab_size=vocab_size)
        count = vocab_size - 256 - len(self.special_tokens)
        if count < 0:
            raise ValueError(
                f"train: a vocabulary of {vocab_size} cannot hold the 256 bytes and "
                f"{len(self.special_tokens)} special tokens: ask for {vocab_size - count} or more"
            )
        words: Counter[str] = Counter()
        for part in split_at(self.special_tokens, as_text(text)):
            if part not in self.special_ids:
                words.update(split(part))
        self._use(learn_merges({as_bytes(word): n for word, n in words.items()}, count))
        return self

    def encode(self, text: str | bytes, allowed_special: str | Iterable[str] = ()) -> list[int]:
        """Return the ids of the tokens of `text`; `decode` gives it back.

        allowed_special  which special tokens to look for in the text: "all", or some of them. A
                         text from elsewhere should not bring its own: by default "<|endoftext|>"
                         is spelled like any other 13 characters

        Raises ValueError for a text with half a surrogate pair, which no bytes can spell, and for a
        special token that this tokenizer does not have.
        """
        special = checked_allowed(allowed_special, self.special_tokens)
        ids: list[int] = []
        for part in split_at(special, as_text(text)):
            if part in special:
                ids.append(self.special_ids[part])
            else:
                for word in split(part):
                    ids += self._tokens(word)
        return ids

    def _tokens(self, word: str) -> list[int]:
        """Return the tokens of one word. Most words have been met before."""
        known = self._known.get(word)
        if known is None:
            known = apply_merges(as_bytes(word), self.merged)
            if len(self._known) == MOST_WORDS:
                self._known.clear()
            if len(word) <= LONGEST_WORD:
                self._known[word] = known
        return known

    def decode(self, ids: Any, errors: str = "replace") -> str:
        """Return the text of `ids`: integers in a list, an array or a tensor.

        errors  what becomes of bytes that are no text, such as a part of a character: "replace",
                "strict" or "ignore", as in `bytes.decode`. What `encode` made of a text has none

        Raises TypeError for other numbers, IndexError for an id that does not exist.
        """
        return self.decode_bytes(ids).decode("utf-8", errors)

    def decode_bytes(self, ids: Any) -> bytes:
        """Return the bytes of `ids`, whether they are text or not. Raises as `decode` does."""
        return b"".join([self.vocab[i] for i in checked_ids(ids, self.vocab_size)])

    def save(self, path: AnyPath) -> None:
        """Write merges and special tokens to `path`, in JSON, one line a merge.

        The file appears complete or not at all. Raises FileNotFoundError without its folder.
        """
        write_bpe(path, self.merges, self.special_tokens)

    @classmethod
    def load(cls, path: AnyPath) -> BPETokenizer:
        """Read what `save` wrote. Raises FileNotFoundError, or ValueError for another file."""
        return cls(*read_bpe(path))

    def __repr__(self) -> str:
        count, special = len(self.merges), len(self.special_tokens)
        parts = f"256 bytes, {count:,} merges, {special} special"
        return f"BPETokenizer({self.vocab_size:,} tokens: {parts})"


# The fast forms of `learn_merges` and `apply_merges` attach themselves at the door
from tinytorch.arch.kernels import apply_merges as _apply_kernel  # noqa: E402, F401
from tinytorch.arch.kernels import learn_merges as _learn_kernel  # noqa: E402, F401
