"""Module 10 against tiktoken and Hugging Face's tokenizers: the same merges, the same tokens.

tiktoken 0.14 and tokenizers 0.23 are asked where they are installed (`tox -e oracle`); what they
said of the almanac is written down below, for everywhere else.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinytorch.arch.tokenization import BPETokenizer, apply_merges, learn_merges, split
from tinytorch.datasets import Almanac

# GPT-2's cut, and ours, as tiktoken writes them: to ours fractions and Roman numerals are letters
# and the separators 1C to 1F are space, because Python's `re` says so
GPT2 = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
OURS = (
    r"'(?:[sdmt]|ll|ve|re)| ?[\p{L}\p{Nl}\p{No}]+| ?\p{Nd}+"
    r"| ?[^\s\x1c-\x1f\p{L}\p{N}]+|[\s\x1c-\x1f]+(?![^\s\x1c-\x1f])|[\s\x1c-\x1f]+"
)
END = "<|endoftext|>"
# characters that this Python's Unicode knows (Cn are unknown), without halves of surrogate pairs
KNOWN = st.characters(exclude_categories=["Cs", "Cn"])
COMMON = st.characters(
    exclude_categories=["Cs", "Cn", "No", "Nl"], exclude_characters="\x1c\x1d\x1e\x1f"
)
PROSE = st.lists(
    st.sampled_from(["the", " The", "'s", "'", " ", "\n", "12", " 3", "½", "é", "東", "_", "!?"])
).map("".join)


def trained() -> BPETokenizer:
    return BPETokenizer(special_tokens=[END]).train(Almanac().text, 512)


def in_tiktoken(tokenizer: BPETokenizer, pattern: str) -> Any:
    import tiktoken

    ordinary = tokenizer.vocab[: 256 + len(tokenizer.merges)]
    return tiktoken.Encoding(
        "ours",
        pat_str=pattern,
        mergeable_ranks={token: i for i, token in enumerate(ordinary)},
        special_tokens=tokenizer.special_ids,
    )


def letters_of_gpt2() -> list[str]:
    """GPT-2's letter for each byte: printable ones stand for themselves, others come after 255."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    return [chr(b) if b in plain else chr(256 + others.index(b)) for b in range(256)]


def learned_by_tokenizers(text: str, merges: int) -> list[tuple[int, int]]:
    """The merges that Hugging Face's trainer learns, as pairs of its own ids."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    theirs = Tokenizer(models.BPE())
    theirs.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=256 + merges,
        min_frequency=2,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    theirs.train_from_iterator([text], trainer)
    model = json.loads(theirs.to_str())["model"]
    return [(model["vocab"][left], model["vocab"][right]) for left, right in model["merges"]]


def learned_by_us(text: str, merges: int) -> list[tuple[int, int]]:
    """The same from us. They number bytes in the order of GPT-2's letters; ties depend on it."""
    letters = letters_of_gpt2()
    number = bytes(sorted(letters).index(letter) for letter in letters)
    words = {word.encode().translate(number): n for word, n in Counter(split(text)).items()}
    found: list[tuple[int, int]] = learn_merges(words, merges)
    return found


# Asked of the others
@pytest.mark.oracle
@pytest.mark.parametrize("text", [st.text(KNOWN), PROSE], ids=["any", "prose"])
def test_tiktoken_gives_the_same_tokens_for_the_same_merges_and_cut(text):
    tokenizer = trained()
    theirs = in_tiktoken(tokenizer, OURS)

    @settings(max_examples=300, deadline=None)
    @given(text)
    def compare(text: str) -> None:
        assert tokenizer.encode(text) == theirs.encode_ordinary(text)
        with_end = f"{text}{END}{text}"
        assert tokenizer.encode(with_end, "all") == theirs.encode(with_end, allowed_special="all")

    compare()


@pytest.mark.oracle
def test_tiktoken_with_the_cut_of_gpt2_gives_the_same_tokens_for_common_characters():
    tokenizer = trained()
    theirs = in_tiktoken(tokenizer, GPT2)

    @settings(max_examples=300, deadline=None)
    @given(st.text(COMMON))
    def compare(text: str) -> None:
        assert tokenizer.encode(text) == theirs.encode_ordinary(text)

    compare()


@pytest.mark.oracle
def test_tiktoken_applies_merges_of_any_word_alike():
    tokenizer = BPETokenizer().train("abc bca aab abab cab caab bcab", 280)
    theirs = in_tiktoken(tokenizer, r"(?s).+")

    @settings(deadline=None)
    @given(st.text("abc", min_size=1, max_size=150))
    def compare(word: str) -> None:
        assert apply_merges(word.encode(), tokenizer.merged) == theirs.encode_ordinary(word)

    compare()


@pytest.mark.oracle
def test_tokenizers_learns_the_same_merges_ties_included():
    text = Almanac().text
    assert learned_by_us(text, 500) == learned_by_tokenizers(text, 500)


@pytest.mark.oracle
@settings(deadline=None)
@given(st.text("ab c1'é\n", min_size=1, max_size=60))
def test_tokenizers_learns_the_same_merges_from_any_text(text):
    assert learned_by_us(text, 20) == learned_by_tokenizers(text, 20)


@pytest.mark.oracle
@pytest.mark.skipif("TINYTORCH_DATA" not in os.environ, reason="needs TINYTORCH_DATA")
def test_both_agree_on_all_of_tiny_shakespeare():
    text = shakespeare()
    assert learned_by_us(text, 1000) == learned_by_tokenizers(text, 1000)
    tokenizer = BPETokenizer().train(text, 1256)
    assert tokenizer.encode(text) == in_tiktoken(tokenizer, GPT2).encode_ordinary(text)


def shakespeare() -> str:
    path = Path(os.environ["TINYTORCH_DATA"]) / "tinyshakespeare" / "input.txt"
    return path.read_bytes().decode("ascii")


# Written down
def digest(numbers: Any) -> str:
    return hashlib.sha256(json.dumps(numbers).encode()).hexdigest()[:16]


def test_the_almanac_gives_the_merges_and_tokens_that_the_others_gave():
    text = Almanac().text
    # by tokenizers 0.23.3: learned_by_tokenizers(text, 500), which finds 364
    assert digest(learned_by_us(text, 500)) == "a0afb3218c17bcc9"
    # by tiktoken 0.14.0: in_tiktoken(trained(), GPT2).encode_ordinary(text)
    ids = trained().encode(text)
    assert (len(ids), digest(ids)) == (1978, "c8b3166d375bd9df")
