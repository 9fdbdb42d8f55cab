"""Module 10: any text, and any bytes, go into a tokenizer and come back; what cannot is named."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinytorch import Tensor
from tinytorch.arch import tokenization
from tinytorch.arch.tokenization import BPETokenizer, CharTokenizer, apply_merges
from tinytorch.datasets import Almanac

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))  # Cs are halves of surrogate pairs
# few letters, so that pairs repeat, and spaces, so that words do
REPEATING = st.text("ab c1é'\n", max_size=80)
WORDS = st.dictionaries(
    st.lists(st.sampled_from(b"abc"), max_size=14).map(bytes), st.integers(1, 5), max_size=12
)
END = "<|endoftext|>"


@pytest.fixture(scope="module")
def almanac() -> BPETokenizer:
    return BPETokenizer(special_tokens=[END]).train(Almanac().text, 512)


# Any string, any bytes
@settings(deadline=None)
@given(TEXTS)
def test_any_text_comes_back_from_an_untrained_tokenizer(text):
    tokenizer = BPETokenizer()
    assert tokenizer.decode(tokenizer.encode(text), errors="strict") == text
    assert tokenizer.encode(text) == list(text.encode())


@settings(deadline=None)
@given(TEXTS)
def test_any_text_comes_back_from_a_trained_tokenizer(text):
    tokenizer = BPETokenizer(special_tokens=[END]).train(Almanac().text[:3000], 300)
    for allowed in ((), "all"):
        assert tokenizer.decode(tokenizer.encode(text, allowed), errors="strict") == text


@settings(deadline=None)
@given(REPEATING)
def test_a_text_comes_back_from_the_tokenizer_that_it_trained(text):
    tokenizer = BPETokenizer().train(text, 300)
    for _ in range(2):  # the second time from memory
        assert tokenizer.decode(tokenizer.encode(text), errors="strict") == text
    assert len(tokenizer.encode(text)) == len(text.encode()) or tokenizer.merges


@settings(deadline=None)
@given(st.binary(), st.binary(max_size=20))
def test_any_bytes_come_back(data, training):
    tokenizer = BPETokenizer(special_tokens=[END]).train(training * 3 + data, 280)
    assert tokenizer.decode_bytes(tokenizer.encode(data)) == data
    assert tokenizer.decode_bytes(tokenizer.encode(data, "all")) == data


@settings(deadline=None)
@given(TEXTS)
def test_the_bytes_of_a_text_are_encoded_like_the_text(text):
    tokenizer = BPETokenizer().train(Almanac().text[:2000], 300)
    assert tokenizer.encode(text.encode()) == tokenizer.encode(text)


@pytest.mark.parametrize("act", ["encode", "train", "special", "character"])
@pytest.mark.parametrize("half", [0xD800, 0xDC80, 0xDFFF])
def test_half_a_surrogate_pair_is_refused_with_its_place_and_what_to_do(act, half):
    acts = {
        "encode": lambda text: BPETokenizer().encode(text),
        "train": lambda text: BPETokenizer().train(text, 300),
        "special": lambda text: BPETokenizer(special_tokens=[text]),
        "character": CharTokenizer,
    }
    with pytest.raises(ValueError, match=r"character 2 .*'\\ud[8c-f][08f][0f]'.*errors='replace'"):
        acts[act](f"ab{chr(half)}c")


@pytest.mark.parametrize("wrong", [None, 3, ["a"], Tensor([1])])
def test_what_is_no_text_is_refused(wrong):
    for act in (BPETokenizer().encode, CharTokenizer, lambda x: BPETokenizer().train(x, 300)):
        with pytest.raises(TypeError, match=f"text is wanted, not {type(wrong).__name__}"):
            act(wrong)


# Decoding
def test_ids_come_as_lists_arrays_tensors_or_one_by_one(almanac):
    ids = almanac.encode("the harbour")
    for given_ids in (ids, tuple(ids), np.array(ids, np.uint16), Tensor(ids)):
        assert almanac.decode(given_ids) == "the harbour"
    assert "".join(almanac.decode(i) for i in ids) == "the harbour"
    assert almanac.decode([]) == almanac.decode(np.array([], np.int64)) == ""


def test_an_id_that_does_not_exist_is_named_with_its_place_and_the_vocabulary(almanac):
    with pytest.raises(IndexError, match=r"id 512 at position 2, .* 512 tokens, 0 to 511"):
        almanac.decode([0, 511, 512])
    with pytest.raises(IndexError, match="id -1 at position 0"):
        almanac.decode([-1])
    with pytest.raises(IndexError, match=r"id 4 at position 0, .* 4 tokens"):
        CharTokenizer("hello").decode([4])


def test_ids_are_integers_in_one_row(almanac):
    with pytest.raises(TypeError, match=r"ids are integers, not float64: 1\.5"):
        almanac.decode([1.5])
    with pytest.raises(TypeError, match="ids are integers, not bool"):
        almanac.decode([True])
    with pytest.raises(ValueError, match=r"not shape \(2, 1\); decode each row"):
        almanac.decode([[1], [2]])


def test_half_a_character_is_replaced_or_refused_as_asked():
    tokenizer = BPETokenizer()
    half = tokenizer.encode("é")[:1]
    assert tokenizer.decode(half) == "\N{REPLACEMENT CHARACTER}"
    assert tokenizer.decode(half, errors="ignore") == ""
    assert tokenizer.decode_bytes(half) == b"\xc3"
    with pytest.raises(UnicodeDecodeError):
        tokenizer.decode(half, errors="strict")


# The vocabulary
def test_the_vocabulary_holds_the_bytes_then_merges_then_special_tokens(almanac):
    assert almanac.vocab_size == len(almanac.vocab) == 512
    assert almanac.vocab[:256] == [bytes([i]) for i in range(256)]
    left, right = almanac.merges[0]
    assert almanac.vocab[256] == bytes([left, right])
    assert almanac.special_ids == {END: 511}
    assert repr(almanac) == "BPETokenizer(512 tokens: 256 bytes, 255 merges, 1 special)"
    assert len(set(almanac.vocab)) == 512


def test_more_merges_make_fewer_tokens():
    text = Almanac().text
    sizes = [256, 300, 400, 512]
    lengths = [len(BPETokenizer().train(text, size).encode(text)) for size in sizes]
    assert lengths[0] == len(text)
    assert lengths == sorted(set(lengths), reverse=True)


@pytest.mark.parametrize("text", ["", "a", "ab", " ", "é", b"", b"\xff"])
def test_a_tiny_text_teaches_nothing_and_does_no_harm(text):
    tokenizer = BPETokenizer(special_tokens=[END]).train(text, 1000)
    assert (tokenizer.merges, tokenizer.vocab_size) == ([], 257)
    assert tokenizer.decode(tokenizer.encode("other")) == "other"


def test_a_vocabulary_without_room_is_refused_with_the_size_it_would_need():
    with pytest.raises(ValueError, match=r"of 256 cannot hold .* 1 special .* 257 or more"):
        BPETokenizer(special_tokens=[END]).train("aa aa", 256)
    assert BPETokenizer().train("aa aa", 256).merges == []


def test_training_again_forgets_what_was_learned_before():
    tokenizer = BPETokenizer().train("ab ab ab", 300)
    assert tokenizer.encode("ab cd") == [256, 32, 99, 100]
    tokenizer.train("cd cd cd", 300)
    assert tokenizer.encode("ab cd") == [97, 98, 257]
    assert tokenizer.merges == BPETokenizer().train("cd cd cd", 300).merges


def test_merges_are_pairs_of_any_kind():
    for merges in ([[97, 98]], [(97, 98)], iter([(97, 98)])):
        assert BPETokenizer(merges).encode("ab") == [256]
    assert BPETokenizer([(0, 255), (256, 256)]).encode(b"\x00\xff" * 2) == [257]


def test_merges_that_cannot_be_are_refused_with_their_number():
    for merges, reason in [
        ([(97, 256)], r"merge 0 is \(97, 256\): .* integers from 0 to 255"),
        ([(97, 98), (257, 1)], "merge 1 .* from 0 to 256"),
        ([(97, -1)], "merge 0"),
        ([(97, 98.0)], "merge 0"),
        ([(97,)], "merge 0"),
        (["ab"], "merge 0 is 'ab'"),
        ([5], "merge 0 is 5"),
        ([(97, 98), (97, 98)], r"merge 1 joins \(97, 98\), as an earlier"),
    ]:
        with pytest.raises(ValueError, match=reason):
            BPETokenizer(merges)


def test_a_word_is_worked_out_once_and_then_remembered_unless_it_is_long(monkeypatch):
    tokenizer = BPETokenizer().train("abc abc abcabc", 262)
    worked_out = []

    def watched(word: bytes, merged: object) -> list[int]:
        worked_out.append(word.decode())
        return apply_merges(word, merged)

    monkeypatch.setattr(tokenization, "apply_merges", watched)
    monkeypatch.setattr(tokenization, "LONGEST_WORD", 5)
    once = tokenizer.encode("abcde abcd abcde abcdef")
    assert tokenizer.encode("abcde abcd abcde abcdef") == once
    words = ["abcde", " abcd", " abcde", " abcdef"]  # two of which are longer than 5
    assert worked_out == [*words, " abcde", " abcdef"]


def test_the_memory_of_words_is_bounded_and_changes_nothing(monkeypatch):
    monkeypatch.setattr(tokenization, "MOST_WORDS", 3)
    tokenizer = BPETokenizer().train("abc abc abcabcabc", 262)
    text = "abc bca cab abcabcabc aa bb cc abc"
    once = tokenizer.encode(text)
    assert tokenizer.encode(text) == once
    assert tokenizer.decode(once) == text
    assert len(tokenizer._known) <= 3
    tokenizer.train("abc abc", 262)
    sizes = []
    for word in ("a", "b", "c", "d", "a"):
        tokenizer.encode(word)
        sizes.append(len(tokenizer._known))
    assert sizes == [1, 2, 3, 1, 2]


def test_what_encode_returns_is_the_callers_own():
    tokenizer = BPETokenizer()
    ids = tokenizer.encode("abc")
    ids.append(0)
    ids[0] = 7
    assert tokenizer.encode("abc") == [97, 98, 99]


# Special tokens
def test_a_special_token_is_one_token_only_where_it_is_allowed():
    tokenizer = BPETokenizer(special_tokens=[END, "<pad>"])
    text = f"a{END}b<pad>"
    assert tokenizer.encode(text) == list(text.encode())
    assert tokenizer.encode(text, "all") == [97, 256, 98, 257]
    assert tokenizer.encode(text, [END]) == [97, 256, 98, *b"<pad>"]
    assert tokenizer.encode(text, "<pad>") == [97, *END.encode(), 98, 257]
    assert tokenizer.decode([256, 257]) == END + "<pad>"


def test_a_special_token_that_does_not_exist_is_named():
    with pytest.raises(ValueError, match=r"'<eos>' is no special token .* \['<\|endoftext\|>'\]"):
        BPETokenizer(special_tokens=[END]).encode("a", ["<eos>"])


@pytest.mark.parametrize("order", [["<a>", "<a><b>", "<b>"], ["<b>", "<a><b>", "<a>"]])
def test_of_overlapping_special_tokens_the_longest_counts_whatever_their_order(order):
    tokenizer = BPETokenizer(special_tokens=order)
    a, ab, b = (tokenizer.special_ids[name] for name in ("<a>", "<a><b>", "<b>"))
    assert tokenizer.encode("<a><b><a>.<b>", "all") == [ab, a, 46, b]
    assert tokenizer.encode("<a><a><b>", "all") == [a, ab]


def test_special_tokens_may_look_like_regular_expressions_or_words():
    tokenizer = BPETokenizer(special_tokens=[".*", "(", "the", "é"])
    assert tokenizer.encode("a.*(thé", "all") == [97, 256, 257, 116, 104, 259]
    assert tokenizer.encode("other", "all") == [111, 258, 114]


@settings(deadline=None)
@given(st.lists(st.text("ab<", min_size=1, max_size=4), unique=True), st.text("ab<c "))
def test_any_special_tokens_come_back_in_any_text(special, text):
    tokenizer = BPETokenizer(special_tokens=special).train("ab ab abc", 260 + len(special))
    ids = tokenizer.encode(text, "all")
    assert tokenizer.decode(ids) == text
    first = tokenizer.vocab_size - len(special)
    assert any(i >= first for i in ids) == any(token in text for token in special)


def test_nothing_is_learned_from_special_tokens_or_across_them():
    tokenizer = BPETokenizer(special_tokens=["xyxy"]).train("xyxyabxyxyabxyxyaxyxyb" * 5, 300)
    assert tokenizer.merges == [(97, 98)]


@pytest.mark.parametrize(
    ("special", "reason"),
    [("<x>", r"a list of texts: \['<x>'\]"), ([""], "'' is no text"), ([b"x"], "b'x' is no text"),
     (["<x>", "<x>"], "'<x>' stands there twice")],
)  # fmt: skip
def test_special_tokens_that_cannot_be_are_refused(special, reason):
    with pytest.raises(ValueError, match=reason):
        BPETokenizer(special_tokens=special)
