"""GPT-2's tokens from its merges.txt, here from small files of that form."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinytorch.arch.gpt2_tokens import BYTES, END_OF_TEXT, LETTERS, GPT2Tokenizer
from tinytorch.datasets import Almanac

THE = "#version: 0.2\nĠ t\nh e\nĠt he\nÃ ©\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "merges.txt"
    file.write_text(THE, "utf-8")
    return file


def test_bytes_have_the_ids_and_letters_of_gpt2(path):
    tokenizer = GPT2Tokenizer(path)
    # from the published encoder.json: "!": 0, "A": 32, "a": 64, "Ċ": 198, "Ġ": 220
    assert tokenizer.encode("!Aa\n") == [0, 32, 64, 198]
    assert tokenizer.encode(" x") == [220, 87]
    assert sorted(BYTES) == list(range(256))
    assert [LETTERS["Ġ"], LETTERS["Ċ"], LETTERS["a"], LETTERS["Ā"]] == [32, 10, 97, 0]


def test_merges_follow_the_bytes_and_the_end_of_text_comes_last(path):
    tokenizer = GPT2Tokenizer(path)
    assert tokenizer.encode(" the he tté") == [258, 220, 257, 256, 83, 259]
    assert tokenizer.encode(END_OF_TEXT, "all") == [260]
    assert END_OF_TEXT == tokenizer.decode(tokenizer.encode(END_OF_TEXT)) == tokenizer.decode([260])
    assert tokenizer.vocab_size == 261
    assert repr(tokenizer) == "GPT2Tokenizer(261 tokens)"


@settings(deadline=None)
@given(st.binary(), st.text(st.characters(exclude_categories=["Cs"])))
def test_any_bytes_and_any_text_come_back(tmp_path_factory, data, text):
    file = tmp_path_factory.mktemp("gpt2") / "merges.txt"
    file.write_text(THE, "utf-8")
    tokenizer = GPT2Tokenizer(file)
    assert tokenizer.decode_bytes(tokenizer.encode(data)) == data
    assert tokenizer.decode(tokenizer.encode(text, "all"), errors="strict") == text


def test_ids_are_checked(path):
    with pytest.raises(IndexError, match=r"id 261 at position 1, .* 261 tokens"):
        GPT2Tokenizer(path).decode([0, 261])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\xff\xfe", "not even text"),
        (b"#version: 0.2\na b\nab cd\n", "line 3, 'ab cd', does not name two tokens"),
        (b"a b c\n", "line 1, 'a b c'"),
        (b'{"a": 1}', "line 1"),
        (b"a b\n#version: 0.2\n", "line 2"),
    ],
)  # fmt: skip
def test_another_file_is_refused_with_its_line(path, content, reason):
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"merges\.txt is no merges\.txt.*{reason}"):
        GPT2Tokenizer(path)
    with pytest.raises(FileNotFoundError, match="no such file"):
        GPT2Tokenizer(path.with_name("missing.txt"))


def test_windows_line_ends_change_nothing(path):
    path.write_bytes(THE.replace("\n", "\r\n").encode())
    assert GPT2Tokenizer(path).encode(" the") == [258]


@pytest.mark.oracle
def test_hugging_faces_byte_level_tokenizer_gives_the_same_ids(tmp_path):
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    theirs = Tokenizer(models.BPE())
    theirs.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=600,
        min_frequency=2,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    theirs.train_from_iterator([Almanac().text], trainer)
    theirs.model.save(str(tmp_path))
    ours = GPT2Tokenizer(tmp_path / "merges.txt")
    assert ours.vocab_size == theirs.get_vocab_size() + 1  # the end of text
    assert ours.encode(Almanac().text) == theirs.encode(Almanac().text).ids
    common = st.characters(
        exclude_categories=["Cs", "Cn", "No", "Nl"], exclude_characters="\x1c\x1d\x1e\x1f"
    )

    @settings(deadline=None)
    @given(st.text(common))
    def compare(text: str) -> None:
        assert ours.encode(text) == theirs.encode(text).ids

    compare()
