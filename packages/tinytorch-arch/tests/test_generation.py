"""Writing with a model: what is drawn, from what, and what the caller notices of it."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from past_helper import Remembered

import tinytorch
from tinytorch import Tensor
from tinytorch.arch.generation import generate, pick, probabilities, stream
from tinytorch.arch.transformers import Transformer
from tinytorch.core.context import current, use
from tinytorch.nn import Module

pytestmark = pytest.mark.once


class Counting(Module):
    """After token t comes t + 1, most likely; after that t + 2, and so on, each half as likely."""

    context = 4
    vocab = 8

    def __init__(self) -> None:
        self.seen: list[tuple[int, ...]] = []
        self.modes: list[tuple[bool, bool]] = []

    def forward(self, x: Any) -> Tensor:
        tokens = np.asarray(x)
        self.seen.append(tuple(tokens[0]))
        self.modes.append((self.training, current().grad))
        distance = (np.arange(self.vocab) - tokens[..., None] - 1) % self.vocab
        return Tensor(-np.log(2) * distance)


def model_of(seed: int = 0, **changes: Any) -> Transformer:
    rng = np.random.default_rng(seed)
    model = Transformer(11, 8, 2, n_layers=2, context=20, rng=rng, **changes)
    for parameter in model.parameters():
        parameter.data += 0.5 * rng.standard_normal(parameter.shape, np.float32)
    return model


def test_greedy_takes_the_likeliest_token_each_time() -> None:
    model = Counting()
    assert generate(model, [5], 4, temperature=0).tolist() == [5, 6, 7, 0, 1]
    assert model.seen == [(5,), (5, 6), (5, 6, 7), (5, 6, 7, 0)]


def test_a_text_longer_than_the_context_is_read_from_its_end() -> None:
    model = Counting()
    generate(model, [0, 1, 2, 3, 4], 3, temperature=0)
    assert model.seen == [(1, 2, 3, 4), (2, 3, 4, 5), (3, 4, 5, 6)]


def test_tokens_come_as_often_as_they_are_likely() -> None:
    model = Counting()
    drawn = np.array([next(iter(stream(model, [7], 1, seed=seed))) for seed in range(2000)])
    shares = np.bincount(drawn, minlength=8) / 2000
    wanted = 0.5 ** np.arange(8) / (0.5 ** np.arange(8)).sum()
    np.testing.assert_allclose(shares, wanted, atol=0.035)  # three standard deviations


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({}, [4, 2, 1]),
        ({"temperature": 0.5}, [16, 4, 1]),  # squares
        ({"temperature": 1e-3}, [1, 0, 0]),
        ({"top_k": 2}, [4, 2, 0]),
        ({"top_k": 1}, [1, 0, 0]),
        ({"top_k": 99}, [4, 2, 1]),
        ({"top_p": 4 / 7 - 1e-6}, [1, 0, 0]),
        ({"top_p": 4 / 7 + 1e-6}, [4, 2, 0]),
        ({"top_p": 1.0}, [4, 2, 1]),
        ({"top_k": 2, "top_p": 0.6}, [1, 0, 0]),  # of two tokens, 4/6 is enough; of three, 4/7 not
    ],
)
def test_options_change_the_probabilities_as_they_say(
    options: dict[str, float], wanted: list[float]
) -> None:
    logits = np.log(np.array([1.0, 4.0, 2.0], np.float32))
    found = probabilities(logits, **options)[[1, 2, 0]]
    np.testing.assert_allclose(found, np.array(wanted) / np.sum(wanted), 1e-5, 1e-12)


@settings(max_examples=100, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    vocab=st.integers(1, 30),
    temperature=st.floats(0.05, 5),
    top_k=st.none() | st.integers(1, 40),
    top_p=st.none() | st.floats(0.01, 1),
)
def test_what_is_drawn_has_a_probability_and_the_rest_sums_to_one(
    seed: int, vocab: int, temperature: float, top_k: int | None, top_p: float | None
) -> None:
    rng = np.random.default_rng(seed)
    logits = rng.choice([-np.inf, -1.0, 0.0, 2.0], vocab).astype(np.float32)
    logits[rng.integers(vocab)] = 1
    p = probabilities(logits, temperature, top_k, top_p)
    assert p.sum() == pytest.approx(1)
    assert np.count_nonzero(p) <= (top_k or vocab)
    likeliest = p[logits == logits.max()]
    assert likeliest.max() == p.max() > 0
    assert p[pick(logits, temperature, top_k, top_p, rng)] > 0
    if top_p is not None and top_k is None:
        whole = probabilities(logits, temperature)
        kept = whole[p > 0]
        assert kept.sum() >= top_p - 1e-9
        assert kept.sum() - kept.min() < top_p + 1e-9  # none could be left out


def test_the_last_token_can_be_drawn_and_an_impossible_one_never() -> None:
    class Extreme:
        def __init__(self, value: float) -> None:
            self.value = value

        def random(self) -> float:
            return self.value

    logits = np.array([-np.inf, 0, 0, -np.inf], np.float32)
    for value, wanted in ((0.0, 1), (0.49, 1), (0.51, 2), (np.nextafter(1, 0), 2)):
        assert pick(logits, 1.0, None, None, Extreme(value)) == wanted  # type: ignore[arg-type]


def test_the_same_seed_writes_the_same_text() -> None:
    model = model_of()
    first, again, other = (generate(model, [1], 15, seed=seed) for seed in (3, 3, 4))
    assert first.tolist() == again.tolist()
    assert first.tolist() != other.tolist()
    tinytorch.manual_seed(5)
    one = generate(model, [1], 15)
    two = generate(model, [1], 15)
    tinytorch.manual_seed(5)
    assert generate(model, [1], 15).tolist() == one.tolist() != two.tolist()


def test_tokens_come_one_by_one_each_when_it_is_asked_for() -> None:
    model = Counting()
    tokens = stream(model, [0], 1000, temperature=0)
    assert model.seen == []
    assert list(itertools.islice(tokens, 2)) == [1, 2]
    assert len(model.seen) == 2


def test_between_tokens_mode_and_gradients_are_the_callers() -> None:
    model = Counting()
    assert model.training
    tokens = stream(model, [0], 3, temperature=0)
    for _ in tokens:
        assert model.training
        assert current().grad
        x = Tensor([1.0], requires_grad=True)
        (x * 2).sum().backward()  # training may go on while a text is written
        assert x.grad is not None
    assert model.modes == [(False, False)] * 3
    abandoned = stream(model, [0], 3)
    next(abandoned)
    del abandoned
    assert model.training
    assert current().grad


def test_dropout_does_not_disturb_writing() -> None:
    model = model_of(dropout=0.5)
    texts = {tuple(generate(model, [1], 9, temperature=0)) for _ in range(3)}
    assert len(texts) == 1


def test_writing_ends_at_the_stop_token_and_gives_it() -> None:
    assert generate(Counting(), [0], 100, temperature=0, stop=3).tolist() == [0, 1, 2, 3]
    assert generate(Counting(), [0], 2, temperature=0, stop=7).tolist() == [0, 1, 2]
    assert generate(Counting(), [0], 0).tolist() == [0]


@pytest.mark.parametrize("kernels", ["plain", "fast"])
def test_with_a_past_the_same_text_is_written(kernels: str) -> None:
    model = model_of()
    with use(kernels):
        without = model.generate([1, 2, 3], 12, seed=0)
        past = [Remembered() for _ in model.blocks]
        assert model.generate([1, 2, 3], 12, seed=0, past=past).tolist() == without.tolist()
    assert past[0].length == 14  # the last token has not been read
    assert [k.shape[2] for k, _ in past[0].parts] == [3] + [1] * 11
    with pytest.raises(ValueError, match="21 tokens, but its context is 20"):
        model.generate([1, 2, 3], 30, past=[Remembered() for _ in model.blocks])


def test_a_past_goes_on_with_the_text_that_it_holds_and_with_no_other() -> None:
    model = model_of()
    past = [Remembered() for _ in model.blocks]
    text = model.generate([1, 2, 3], 4, seed=0, past=past)
    longer = [*text, 5]
    assert model.generate(longer, 3, temperature=0, past=past).tolist() == (
        model.generate(longer, 3, temperature=0).tolist()
    )
    with pytest.raises(ValueError, match=r"past holds 10 positions already, .* has 3 tokens"):
        model.stream([1, 2, 3], 4, past=past)


def test_a_past_that_keeps_its_tokens_is_told_them_and_refused_for_another_text() -> None:
    model = model_of()
    past: Any = [Remembered() for _ in model.blocks]
    past[0].tokens = []
    text = model.generate([1, 2, 3], 4, seed=0, past=past).tolist()
    assert past[0].tokens == text[:6]  # the last token has not been read
    with pytest.raises(ValueError, match=r"position 1 was token 2 when it was read, and is 5 in"):
        model.stream([1, 5, *text[2:], 5], 4, past=past)


def test_the_model_has_both_as_methods() -> None:
    model = model_of()
    assert model.generate([1], 5, seed=1).tolist() == [1, *model.stream(np.array([1]), 5, seed=1)]


@pytest.mark.parametrize(
    ("prompt", "options", "message"),
    [
        ([], {}, r"at least one token, not an array of shape \(0,\)"),
        ([[1, 2]], {}, r"one sequence .* shape \(1, 2\)"),
        ([1], {"n": -1}, "n=-1"),
        ([1], {"temperature": -0.5}, "temperature=-0.5"),
        ([1], {"temperature": float("nan")}, "temperature=nan"),
        ([1], {"top_k": 0}, "top_k=0"),
        ([1], {"top_p": 0.0}, "top_p=0.0"),
        ([1], {"top_p": 1.5}, "top_p=1.5"),
    ],
)
def test_options_that_make_no_sense_are_refused_before_anything_is_computed(
    prompt: Any, options: dict[str, Any], message: str
) -> None:
    model = Counting()
    with pytest.raises(ValueError, match=message):
        stream(model, prompt, **({"n": 3} | options))
    assert model.seen == []


def test_a_prompt_of_fractions_is_refused() -> None:
    with pytest.raises(TypeError, match="tokens, which are integers, not float64"):
        generate(Counting(), [0.5], 3)


def test_a_model_that_is_broken_says_so_instead_of_writing() -> None:
    model = model_of()
    model.norm.weight.data[0] = np.nan
    with pytest.raises(FloatingPointError, match="logits are not numbers"):
        model.generate([1], 3)
