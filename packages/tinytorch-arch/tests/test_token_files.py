"""Tokenizers in files: what is saved comes back, people can read it, and damage is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinytorch.arch.tokenization import BPETokenizer, CharTokenizer
from tinytorch.datasets import Almanac

END = "<|endoftext|>"
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tokenizer.json"


@pytest.fixture(scope="module")
def trained() -> BPETokenizer:
    return BPETokenizer(special_tokens=[END, "<näxt>"]).train(
        Almanac().text + '\\ " é \x00' * 3, 400
    )


def test_a_saved_tokenizer_comes_back_whole(trained, path):
    trained.save(path)
    loaded = BPETokenizer.load(path)
    assert (loaded.merges, loaded.vocab) == (trained.merges, trained.vocab)
    assert loaded.special_ids == trained.special_ids
    text = Almanac().text + END
    assert loaded.encode(text, "all") == trained.encode(text, "all")


@settings(deadline=None)
@given(text=TEXTS)
def test_whatever_text_a_tokenizer_learned_from_it_can_be_saved(text, tmp_path_factory):
    path = tmp_path_factory.mktemp("files") / "tokenizer.json"
    tokenizer = BPETokenizer(special_tokens=[text] if text else []).train(text * 3, 300)
    tokenizer.save(path)
    loaded = BPETokenizer.load(str(path))
    assert (loaded.merges, loaded.special_tokens) == (tokenizer.merges, tokenizer.special_tokens)
    CharTokenizer(text).save(path)
    assert CharTokenizer.load(path).characters == CharTokenizer(text).characters


def test_a_person_can_read_what_is_saved(path):
    BPETokenizer(special_tokens=[END]).train("the then thé", 260).save(path)
    assert path.read_text("utf-8") == (
        "{\n"
        '  "format": "tinytorch.BPETokenizer",\n'
        '  "version": 1,\n'
        '  "special_tokens": ["<|endoftext|>"],\n'
        '  "merges": [\n'
        '    [116, 104, "th"],\n'
        '    [32, 256, " th"]\n'
        "  ]\n"
        "}\n"
    )
    BPETokenizer().save(path)
    assert path.read_text("utf-8").endswith('"special_tokens": [],\n  "merges": []\n}\n')
    CharTokenizer("née\n").save(path)
    assert json.loads(path.read_text("utf-8")) == {
        "format": "tinytorch.CharTokenizer", "version": 1, "characters": "\nené"
    }  # fmt: skip
    assert "é" in path.read_text("utf-8")


def test_part_of_a_character_is_shown_by_its_bytes(path):
    BPETokenizer().train("é é", 300).save(path)
    assert r'[195, 169, "é"]' in path.read_text("utf-8")
    BPETokenizer().train("\u4e00 \u4e01 \u4e02 \u4e03", 257).save(path)
    assert r'[228, 184, "\\xe4\\xb8"]' in path.read_text("utf-8")


def test_a_file_appears_complete_or_the_old_one_stays(trained, path, monkeypatch):
    trained.save(path)
    before = path.read_bytes()

    def fail(*args: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="no space"):
        BPETokenizer().save(path)
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_a_missing_file_or_folder_is_named(path):
    for cls in (BPETokenizer, CharTokenizer):
        with pytest.raises(FileNotFoundError, match="no such file"):
            cls.load(path)
        with pytest.raises(FileNotFoundError, match="no folder"):
            CharTokenizer("ab").save(path / "deeper.json")


def test_another_kind_of_tokenizer_is_named_with_how_to_load_it(path):
    CharTokenizer("ab").save(path)
    with pytest.raises(ValueError, match=r"holds a CharTokenizer: use CharTokenizer\.load"):
        BPETokenizer.load(path)
    BPETokenizer().save(path)
    with pytest.raises(ValueError, match=r"holds a BPETokenizer: use BPETokenizer\.load"):
        CharTokenizer.load(path)


def test_a_file_of_a_later_version_asks_for_an_upgrade(path):
    BPETokenizer().save(path)
    path.write_text(path.read_text("utf-8").replace('"version": 1', '"version": 2'), "utf-8")
    with pytest.raises(ValueError, match=r"version 2 .* reads up to 1: .*--upgrade tinytorch-arch"):
        BPETokenizer.load(path)


GOOD = {"format": "tinytorch.BPETokenizer", "version": 1, "special_tokens": ["<x>"],
        "merges": [[97, 98, "ab"], [256, 99, "abc"]]}  # fmt: skip
DAMAGE = {
    "it is no complete JSON": b'{"format": "tinytorch.BPETok',
    "no complete JSON: ": b"",
    "not even text": b"\x80\x04\x95\xff",
    "complete JSON: maximum recursion": b"[" * 200_000,
    '"format" is None, not "tinytorch.BPETokenizer"': [1, 2],
    '"format" is .other., not': {**GOOD, "format": "other"},
    '"version" is None, not 1': {k: v for k, v in GOOD.items() if k != "version"},
    '"version" is .1., not 1': {**GOOD, "version": "1"},
    '"version" is 0, not 1': {**GOOD, "version": 0},
    "not both there as lists": {**GOOD, "merges": {}},
    '"merges" and "special_tokens"': {k: v for k, v in GOOD.items() if k != "special_tokens"},
    r"merge 0 is \[97, 98\], not": {**GOOD, "merges": [[97, 98]]},
    "merge 0 is 5, not": {**GOOD, "merges": [5]},
    r"merge 1 is \(257, 99\): .* from 0 to 256": {
        **GOOD, "merges": [[97, 98, "ab"], [257, 99, "abc"]]},
    r"merge 0 is \(True, 98\)": {**GOOD, "merges": [[True, 98, "ab"]]},
    "merge 1 joins .* as an earlier": {**GOOD, "merges": [[97, 98, "ab"], [97, 98, "ab"]]},
    "merge 1, of 256 and 100, makes 'abd', not 'abc'": {
        **GOOD, "merges": [[97, 98, "ab"], [256, 100, "abc"]]},
    "makes 'ab', not 5": {**GOOD, "merges": [[97, 98, 5]]},
    "stands there twice": {**GOOD, "special_tokens": ["<x>", "<x>"]},
    "3 is no text": {**GOOD, "special_tokens": [3]},
    "half a surrogate pair": {**GOOD, "special_tokens": ["\ud800"]},
}  # fmt: skip


@pytest.mark.parametrize("reason", DAMAGE)
def test_damage_is_named_with_the_file_and_what_to_do(reason, path):
    content = DAMAGE[reason]
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    with pytest.raises(ValueError, match=rf"(?s)tokenizer\.json is no .*{reason}.*copy it anew"):
        BPETokenizer.load(path)


def test_a_file_cannot_ask_for_more_memory_than_it_has_itself(path):
    doubling = [[97, 97, "aa"], *([256 + k, 256 + k, "?"] for k in range(60))]  # 2^61 bytes
    path.write_text(json.dumps({**GOOD, "merges": doubling}), "utf-8")
    with pytest.raises(ValueError, match=r"merge 1, of 256 and 256, makes 'aaaa', not '\?'"):
        BPETokenizer.load(path)


def test_json_in_another_layout_is_read_too(path):
    path.write_text(json.dumps(GOOD, indent=4, sort_keys=True), "utf-8")
    assert BPETokenizer.load(path).encode("abc<x>", "all") == [257, 258]


@pytest.mark.parametrize("characters", ["ba", "aab", None, 3, ["a"]])
def test_characters_that_are_not_in_order_are_damage(characters, path):
    content = {"format": "tinytorch.CharTokenizer", "version": 1, "characters": characters}
    path.write_text(json.dumps(content), "utf-8")
    with pytest.raises(ValueError, match=r'is no .* "characters" is not a text of different'):
        CharTokenizer.load(path)
