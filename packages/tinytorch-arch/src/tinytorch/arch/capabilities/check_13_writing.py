"""Checkpoint 13: a transformer writes. It learns a text, and continues it.

Left out: a text too long to be learned by heart (`tito milestone run 2017`).
"""

import math
import tempfile
from functools import cache
from pathlib import Path

import numpy as np

from tinytorch import Tensor, no_grad
from tinytorch.arch.tokenization import CharTokenizer
from tinytorch.arch.transformers import LayerNorm, Transformer
from tinytorch.core.optimizers import AdamW
from tinytorch.core.serialization import load, save
from tinytorch.course.checking import exercise, same

TEXT = "the tide comes in, the tide goes out; the boats know when.\n"
CONTEXT = 24


@cache
def tokenizer() -> CharTokenizer:
    return CharTokenizer(TEXT)


def untrained(seed: int = 0) -> Transformer:
    """One block is enough for a sentence, two for no more than seconds."""
    rng = np.random.default_rng(seed)
    return Transformer(tokenizer().vocab_size, 32, 4, 2, CONTEXT, rng=rng)


@cache
def trained() -> Transformer:
    """A model that has read the sentence two hundred times, from everywhere."""
    ids = np.array(tokenizer().encode(TEXT * 3))
    rng, model = np.random.default_rng(1), untrained()
    optimizer = AdamW(model.parameters(), lr=3e-3)
    for _ in range(200):
        starts = rng.integers(0, len(TEXT), 16)
        tokens = ids[starts[:, None] + np.arange(CONTEXT + 1)]
        optimizer.zero_grad()
        model(tokens[:, :-1], tokens[:, 1:]).backward()
        optimizer.step()
    return model


def tokens(count: int, length: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, tokenizer().vocab_size, (count, length))


@exercise("13")
def check_before_training_every_token_is_as_likely() -> None:
    x, y = tokens(8, CONTEXT, 2), tokens(8, CONTEXT, 3)
    loss = untrained()(x, y).item()
    same(loss, math.log(tokenizer().vocab_size), call="the first loss", why="log of all", rtol=0.05)


@exercise("13")
def check_what_comes_later_changes_no_prediction_before_it() -> None:
    model = trained()
    x = tokens(2, 12, 4)
    with no_grad():
        whole, part = model(x).data, model(x[:, :7]).data
    same(
        whole[:, :7],
        part,
        call="logits of 7 of 12 tokens",
        why="the rest is the future",
        rtol=1e-3,
        atol=1e-4,
    )


@exercise("13")
def check_every_parameter_takes_part() -> None:
    model = untrained(5)
    model(tokens(4, CONTEXT, 5), tokens(4, CONTEXT, 6)).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, f"{name} received no gradient"
        small = 1e-9 if name.endswith("key.bias") else 0.0  # which moves all scores alike
        assert small or np.abs(parameter.grad).max() > 0, f"the gradient of {name} is 0"


@exercise("13")
def check_a_layer_norm_leaves_direction_and_takes_size_and_mean() -> None:
    x = np.random.default_rng(7).standard_normal((5, 64)).astype(np.float32)
    norm = LayerNorm(64)
    expected = (x - x.mean(-1, keepdims=True)) / x.std(-1, keepdims=True)
    same(norm(Tensor(x)), expected, call="LayerNorm(x)", why="its definition", rtol=1e-3, atol=1e-4)
    same(norm(Tensor(x * 50 + 3)), expected, call="LayerNorm(50 x + 3)", rtol=1e-3, atol=1e-3)


@exercise("13")
def check_a_sentence_is_learned_by_heart_and_written_again() -> None:
    ids = trained().generate(tokenizer().encode(TEXT[:12]), len(TEXT), temperature=0)
    written = tokenizer().decode(ids)
    assert (TEXT * 2).startswith(written), f"it writes {written!r}"


@exercise("13")
def check_a_seed_draws_the_same_text_again_and_another_one_another() -> None:
    prompt = tokenizer().encode("the ")
    model = untrained(8)
    first, again, other = (
        model.generate(prompt, 30, temperature=1.0, seed=seed).tolist() for seed in (1, 1, 2)
    )
    assert first == again, "the same seed drew another text"
    assert first != other, "another seed drew the same text"
    sure = model.generate(prompt, 30, top_k=1, seed=3).tolist()
    assert sure == model.generate(prompt, 30, temperature=0).tolist(), "top_k=1 is greedy"


@exercise("13")
def check_a_model_from_a_file_writes_the_same() -> None:
    model, other = trained(), untrained(9)
    with tempfile.TemporaryDirectory() as folder:
        save(model.state_dict(), Path(folder, "gpt.safetensors"))
        other.load_state_dict(load(Path(folder, "gpt.safetensors")))
    prompt = tokenizer().encode("the boats")
    written = [m.generate(prompt, 20, temperature=0.8, seed=4).tolist() for m in (model, other)]
    assert written[0] == written[1], "saved, loaded, and it writes something else"
