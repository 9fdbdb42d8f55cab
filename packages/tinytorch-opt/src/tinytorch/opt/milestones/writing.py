"""Milestone 2018's network that writes: with a cache, without one, and in another program."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tinytorch.arch.generation import stream
from tinytorch.arch.tokenization import CharTokenizer
from tinytorch.arch.transformers import Transformer
from tinytorch.core.context import no_grad
from tinytorch.core.losses import cross_entropy
from tinytorch.core.milestones.frame import Stage
from tinytorch.core.milestones.settings import SettingError
from tinytorch.core.serialization import save
from tinytorch.core.tensor import Tensor
from tinytorch.opt.memoization import caches_for, compare_decoding
from tinytorch.opt.milestones import subjects
from tinytorch.opt.milestones.profiled import profile
from tinytorch.opt.milestones.sheet import Line

BATCHES = 20  # of unseen text, 16 stretches each
Reads = Callable[[Any], Any]  # tokens (B, T) -> logits (B, T, vocab), arrays


def require_tokens(recipe: Any, model: Transformer) -> None:
    """Raise SettingError for more tokens than the writer can read back."""
    if recipe.tokens >= model.context:
        raise SettingError(
            f"tokens={recipe.tokens}: the writer reads {model.context} at once, so at most "
            f"{model.context - 1} follow the first"
        )


def language_model(
    stage: Stage, recipe: Any, model: Transformer, tokenizer: CharTokenizer, data: subjects.Data
) -> list[Line]:
    """Let the writer write with a cache and without: the same text, and what each token took."""
    prompt = tokenizer.encode("\n")
    profile(stage, "The writer", model, Tensor(np.array([prompt * 32])))
    unseen = subjects.unseen(data, tokenizer, model.context, BATCHES)
    compared = compare_decoding(model, prompt, recipe.tokens)
    stage.tell(str(compared))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "weights"
        save(model.state_dict(), path)
        size = path.stat().st_size
        lines = []
        for form, cached in (("without a cache", False), ("with a cache", True)):
            times: list[float] = []
            while len(times) < recipe.queries:
                past = caches_for(model) if cached else None
                tokens = stream(model, prompt, recipe.tokens, temperature=0, past=past)
                times += token_times(tokens)
            loss = loss_of(in_two_parts(model) if cached else at_once(model), unseen)
            lines.append(Line("GPT", form, size, loss, False, times))
        lines += in_onnx_runtime(recipe, model, prompt, unseen, path)
    stage.gate("GPT: the same text with a cache", float(compared.same), at_least=1)
    stage.gate("GPT: times less to compute with a cache", round(compared.less, 1), at_least=10)
    long_text(stage, recipe, model)
    return lines


def long_text(stage: Stage, recipe: Any, model: Transformer) -> None:
    """Write a long text with a writer of the same sizes and more context, which nobody trained.

    How long a token takes does not depend on what the weights are.
    """
    width, heads = model.tokens.weight.shape[1], model.blocks[0].attention.n_heads
    longer = Transformer(
        model.vocab, width, heads, len(model.blocks), recipe.long + 16, rng=stage.rng
    ).eval()
    compared = compare_decoding(longer, np.arange(16) % model.vocab, recipe.long)
    stage.tell(f"The same sizes, but {recipe.long + 16} tokens of context, untrained:")
    stage.tell(str(compared))
    what = f"GPT: times faster with a cache, {recipe.long} tokens, processor time"
    stage.gate(what, round(compared.faster, 1), at_least=10 if recipe.long >= 512 else 2)


def at_once(model: Transformer) -> Reads:
    """The writer reads a stretch of text at once."""
    return lambda tokens: model(tokens).data


def in_two_parts(model: Transformer) -> Reads:
    """The writer reads a stretch of text in two parts, and remembers the first in its cache."""

    def read(tokens: Any) -> Any:
        past = caches_for(model)
        half = tokens.shape[1] // 2
        parts = [model(part, past=past).data for part in (tokens[:, :half], tokens[:, half:])]
        return np.concatenate(parts, axis=1)

    return read


def loss_of(read: Reads, batches: Sequence[Any]) -> float:
    """What a character of unseen text costs, in nats: the mean over all of them."""
    losses = []
    with no_grad():
        for tokens, following in batches:
            logits = np.moveaxis(read(np.asarray(tokens.data)), -1, 1)  # classes are axis 1
            losses.append(cross_entropy(Tensor(logits), following).item())
    return float(np.mean(losses))


def in_onnx_runtime(
    recipe: Any, model: Transformer, prompt: Sequence[int], unseen: Sequence[Any], path: Path
) -> list[Line]:
    """The same text, written by another program with the exported file, cache included.

    Raises RuntimeError if the texts differ: then the file would not be the model.
    """
    try:
        from tinytorch.opt.onnx import export_with_cache
        from tinytorch.opt.onnx.checking import runtime
    except ModuleNotFoundError:
        return []
    proto = export_with_cache(model, path)
    run = runtime(proto)
    if run is None:
        return []
    names = [value.name for value in proto.graph.input]
    heads = model.blocks[0].attention.n_heads
    features = model.tokens.weight.shape[1] // heads

    def start(tokens: Any) -> Any:
        empty = np.zeros((len(tokens), heads, 0, features), np.float32)
        return run(dict(zip(names, [tokens, *[empty] * (len(names) - 1)], strict=True)))

    def write() -> Iterator[int]:
        logits, *past = start(np.array([prompt]))
        for _ in range(recipe.tokens):
            new = logits[:, -1:].argmax(-1)
            yield int(new[0, 0])
            logits, *past = run(dict(zip(names, [new, *past], strict=True)))

    ours = list(stream(model, prompt, recipe.tokens, temperature=0))
    if (theirs := list(write())) != ours:
        raise RuntimeError(f"the exported GPT writes another text: {theirs} instead of {ours}")
    times: list[float] = []
    while len(times) < recipe.queries:
        times += token_times(write())
    loss = loss_of(lambda tokens: start(tokens)[0], unseen)
    return [Line("GPT", "ONNX Runtime, cache", path.stat().st_size, loss, False, times)]


def token_times(tokens: Iterator[int]) -> list[float]:
    """Seconds from each token to the next."""
    times = []
    start = time.perf_counter()
    for _ in tokens:
        now = time.perf_counter()
        times.append(now - start)
        start = now
    return times
