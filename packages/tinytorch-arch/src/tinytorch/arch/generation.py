"""Writing with a language model: one token after the other, each drawn from the model's logits.

A model here is a module with a `context` (the longest sequence it reads) that turns tokens (1, T)
into logits (1, T, vocab). Left out: the model (module 13), turning tokens into text (module 10),
and memory of what was computed for earlier tokens (module 18), which comes in as `past`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from tinytorch.arch.attention import Past
from tinytorch.core.activations import softmax
from tinytorch.core.context import no_grad
from tinytorch.core.elsewhere import explains_arguments
from tinytorch.core.layers import Module
from tinytorch.core.primitive import Array
from tinytorch.core.random import default_generator


@explains_arguments
def generate(model: Any, prompt: Any, n: int, **how: Any) -> Array:
    """Return `prompt` continued by n tokens, or fewer where `stop` came: integers (T + n,).

    Takes what `stream` takes.
    """
    start = checked_prompt(prompt)
    return np.array([*start, *stream(model, start, n, **how)], np.int64)


@explains_arguments
def stream(
    model: Any,
    prompt: Any,
    n: int,
    *,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    seed: int | None = None,
    stop: int | None = None,
    past: Sequence[Past] | None = None,
) -> Iterator[int]:
    """Give n new tokens, each as soon as it is drawn.

    prompt       tokens to continue: integers, at least one
    temperature  logits are divided by it: below 1 likely tokens become likelier. 0 is greedy: the
                 most likely token each time
    top_k        draw from the k most likely tokens only
    top_p        draw from the fewest tokens that have this probability together ("nucleus";
                 Holtzman et al., "The curious case of neural text degeneration", 2020)
    seed         the same seed draws the same tokens; None goes on with the default generator
    stop         the token after which nothing follows
    past         what the model remembers: one for each block, see
                 `tinytorch.arch.attention.Past`. Then only new tokens are computed, and all of them
                 must fit the context. It is empty at first, or holds the beginning of this very
                 prompt, which is not read again. One whose first block has a list `tokens` is told
                 what it holds, and refused for another text. Without it the last `model.context`
                 tokens are read each time

    The model evaluates (no dropout) and keeps no records while a token is computed; between tokens
    its mode and gradients are the caller's. Raises ValueError for options that say nothing and for
    a past of another text, FloatingPointError where the logits are not numbers.
    """
    tokens = checked_prompt(prompt)
    check_options(n, temperature, top_k, top_p)
    if stop is not None and not isinstance(stop, int | np.integer):
        raise TypeError(f"stop={stop!r}: it is one token, an integer")
    if past:
        require_beginning(past, tokens)
    rng = default_generator() if seed is None else np.random.default_rng(seed)
    modules = model.modules()

    def draw() -> Iterator[int]:
        left = -1  # what `past` held when it was used here last
        for _ in range(n):
            if past and past[0].length != left:  # between two tokens another text may have used it
                require_beginning(past, tokens)
            with no_grad(), evaluating(modules):  # never across the yield
                logits = next_logits(model, tokens, past)
            left = past[0].length if past else 0
            token = pick(logits, temperature, top_k, top_p, rng)
            tokens.append(token)
            yield token
            if token == stop:
                return

    return draw()


@contextmanager
def evaluating(modules: list[Module]) -> Iterator[None]:
    """Within this block these modules evaluate. `training.evaluating` looks for them each time.

    Their modes are set past `Module.__setattr__`, because it is done for each token.
    """
    modes = [module.training for module in modules]
    for module in modules:
        vars(module)["training"] = False
    try:
        yield
    finally:
        for module, mode in zip(modules, modes, strict=True):
            vars(module)["training"] = mode


def next_logits(model: Any, tokens: list[int], past: Sequence[Past] | None) -> Array:
    """Let the model read the tokens, or those that `past` does not hold yet: logits (vocab,)."""
    if not past:
        return model(np.array([tokens[-model.context :]])).data[0, -1]
    logits = model(np.array([tokens[past[0].length :]]), past=past)
    held = getattr(past[0], "tokens", None)
    if held is not None:
        held.extend(tokens[len(held) : past[0].length])
    return logits.data[0, -1]


def require_beginning(past: Sequence[Past], tokens: list[int]) -> None:
    """Raise ValueError unless `past` holds the beginning of these tokens, and not all of them.

    Of a past that keeps no `tokens`, or that the model read without this file, only the number of
    positions is known.
    """
    length = past[0].length
    held = list(getattr(past[0], "tokens", ()))[:length]
    if held != tokens[: len(held)]:
        for place, (token, wanted) in enumerate(zip(held, tokens, strict=False)):
            if token != wanted:
                raise ValueError(
                    f"past holds another text: position {place} was token {token} when it was "
                    f"read, and is {wanted} in this one: past.reset() before another text"
                )
    if length >= len(tokens):
        raise ValueError(
            f"past holds {length} positions already, and the prompt has {len(tokens)} tokens: "
            "past.reset() before another text, or give the whole text with at least one new one"
        )


def pick(
    logits: Array,
    temperature: float,
    top_k: int | None,
    top_p: float | None,
    rng: np.random.Generator,
) -> int:
    """Choose a token by its logits (vocab,)."""
    if np.isnan(logits).any():
        raise FloatingPointError(
            "the model's logits are not numbers, so no token can be drawn: are its weights?"
        )
    if temperature == 0:
        return int(logits.argmax())
    up_to = np.cumsum(probabilities(logits, temperature, top_k, top_p))
    return int(np.searchsorted(up_to, rng.random() * up_to[-1], side="right"))


def probabilities(
    logits: Array, temperature: float = 1.0, top_k: int | None = None, top_p: float | None = None
) -> Array:
    """The probability with which each token is drawn: (vocab,) -> (vocab,), float64.

    First the temperature, then the k likeliest, then the nucleus of these. Of tokens that are
    equally likely the one with the lower number comes first.
    """
    scaled = logits.astype(np.float64)
    p = softmax.definition((scaled - scaled.max()) / temperature)
    order = np.argsort(-p, kind="stable")  # the likeliest first
    if top_k is not None:
        p[order[top_k:]] = 0
        p /= p.sum()
    if top_p is not None:
        before = np.cumsum(p[order]) - p[order]  # the probability of all that are likelier
        p[order[before >= top_p]] = 0
        p /= p.sum()
    return p


def checked_prompt(prompt: Any) -> list[int]:
    """A prompt as a list of tokens. Raises ValueError or TypeError where it is none."""
    tokens = np.asarray(prompt)
    if tokens.dtype.kind == "U":
        raise TypeError("a prompt holds tokens, not text: tokenizer.encode(text) makes them")
    if tokens.ndim != 1 or not tokens.size:
        raise ValueError(
            f"a prompt is one sequence of at least one token, not an array of shape {tokens.shape}"
        )
    if tokens.dtype.kind not in "iu":
        raise TypeError(f"a prompt holds tokens, which are integers, not {tokens.dtype}")
    return [int(token) for token in tokens]


def check_options(n: int, temperature: float, top_k: int | None, top_p: float | None) -> None:
    """Raise ValueError, naming it, for an option that makes no sense."""
    for name, number in {"n": n, "top_k": top_k}.items():
        if number is not None and not isinstance(number, int | np.integer):
            raise TypeError(f"{name}={number!r}: a number of tokens is a whole number")
    if isinstance(temperature, str) or isinstance(top_p, str):
        raise TypeError(f"temperature={temperature!r}, top_p={top_p!r}: they are numbers, not text")
    if n < 0:
        raise ValueError(f"n={n}: the number of tokens to write cannot be below 0")
    if not 0 <= temperature < float("inf"):
        raise ValueError(f"temperature={temperature}: it is 0 (greedy) or above, and finite")
    if top_k is not None and top_k < 1:
        raise ValueError(f"top_k={top_k}: at least 1 token must be left to draw from")
    if top_p is not None and not 0 < top_p <= 1:
        raise ValueError(f"top_p={top_p}: it is a probability above 0, and at most 1")
