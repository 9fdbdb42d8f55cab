"""Checkpoint 11: any string goes in and comes out. Text becomes tokens, tokens become vectors.

Left out: what is written with them (checkpoint 13), and speed (`benchmarks/tokenization.py`).
"""

import tempfile
from collections import Counter
from functools import cache
from pathlib import Path

import numpy as np

from tinytorch import Tensor
from tinytorch.arch.embeddings import Embedding, PositionalEncoding
from tinytorch.arch.tokenization import BPETokenizer, CharTokenizer
from tinytorch.core.losses import CrossEntropyLoss
from tinytorch.core.optimizers import Adam
from tinytorch.course.checking import exercise, same
from tinytorch.datasets import Almanac

STRINGS = (
    "", " ", "\n\r\n\t", "plain words, and 12 numbers", "l'été où Ærøskøbing dort",
    "тихо; 静か; سكون; ઠંડું", "a\u0301 is á, nearly", "\x00\x01\x7f",
    "\U0001f469\u200d\U0001f467 and \U0001f1ee\U0001f1f8", "<|endoftext|>",
)  # fmt: skip


@cache
def text() -> str:
    return Almanac().text


@cache
def tokenizer(size: int) -> BPETokenizer:
    return BPETokenizer().train(text(), vocab_size=size)


@exercise("11")
def check_every_string_comes_out_as_it_went_in() -> None:
    rng = np.random.default_rng(0)
    points = rng.integers(0, 0x110000, (50, 12))
    drawn = ["".join(chr(p) for p in row if not 0xD800 <= p < 0xE000) for row in points.tolist()]
    for string in (*STRINGS, *drawn):
        for size in (256, 400):
            ids = tokenizer(size).encode(string)
            assert tokenizer(size).decode(ids) == string, f"{string!a} came back as another"


@exercise("11")
def check_the_pair_that_is_most_frequent_is_merged_first() -> None:
    words = ["low"] * 5 + ["lower"] * 2 + ["newest"] * 6 + ["widest"] * 3  # Sennrich et al., 2016
    learned = BPETokenizer().train("\n".join(words), vocab_size=258)
    whole = [learned.decode([token]) for token in (256, 257)]
    assert whole[0] in ("es", "st"), f"first {whole[0]!r}, but 'es' and 'st' occur 9 times each"
    assert whole[1] == "est", f"then {whole[1]!r}, but 'est' occurs 9 times"


@exercise("11")
def check_a_larger_vocabulary_needs_fewer_tokens() -> None:
    lengths = [len(tokenizer(size).encode(text())) for size in (256, 300, 400)]
    assert lengths[0] == len(text().encode()), "without merges each byte is a token"
    assert lengths[0] > lengths[1] > lengths[2], f"vocabularies 256, 300, 400: {lengths} tokens"


@exercise("11")
def check_a_tokenizer_from_a_file_gives_the_same_tokens() -> None:
    with tempfile.TemporaryDirectory() as folder:
        tokenizer(400).save(Path(folder, "tokens.json"))
        again = BPETokenizer.load(Path(folder, "tokens.json"))
    assert again.encode(text()) == tokenizer(400).encode(text()), "saved, loaded, and not the same"


@exercise("11")
def check_each_place_of_a_token_adds_to_the_gradient_of_its_vector() -> None:
    characters = CharTokenizer("banana")
    ids = np.array(characters.encode("banana"))
    vectors = Embedding(characters.vocab_size, 3, rng=np.random.default_rng(1))
    x = vectors(Tensor(ids))
    same(x, vectors.weight.data[ids], call="Embedding(tokens of banana)", why="rows of the weight")
    x.sum().backward()
    times = Counter(ids.tolist())
    expected = np.array([[times[i]] * 3 for i in range(characters.vocab_size)], np.float32)
    same(vectors.weight.grad, expected, call="its gradient", why="a occurs three times, n twice")


@exercise("11")
def check_a_place_is_told_from_others_and_distances_are_alike_everywhere() -> None:
    zeros = Tensor(np.zeros((40, 16), np.float32))
    waves = PositionalEncoding(16, 40)(zeros).data
    products = waves @ waves.T
    for far in (1, 5, 20):
        line = np.diagonal(products, far)
        same(
            line,
            np.full(len(line), line[0]),
            call=f"waves, {far} apart",
            why="only far counts",
            rtol=1e-4,
        )
    apart = ((waves[:, None] - waves) ** 2).sum(axis=-1) + np.eye(40)
    assert apart.min() > 0.5, "two places have nearly the same waves"


@exercise("11")
def check_a_table_of_followers_is_learned_from_tokens() -> None:
    ids = np.array(CharTokenizer("abc ").encode("abc " * 50))
    table = Embedding(4, 4, rng=np.random.default_rng(2))  # for each token, scores of the next
    optimizer = Adam(table.parameters(), lr=0.1)
    for _ in range(100):
        optimizer.zero_grad()
        loss = CrossEntropyLoss()(table(Tensor(ids[:-1])), Tensor(ids[1:]))
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.05, f"what follows is certain, and still costs {loss.item():.3f} nats"
