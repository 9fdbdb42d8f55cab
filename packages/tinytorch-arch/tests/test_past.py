"""What a transformer asks of the past it is given; module 18 has the caches for it."""

from __future__ import annotations

import numpy as np
import pytest
from past_helper import Remembered

from tinytorch.arch.transformers import Transformer
from tinytorch.core.context import no_grad
from tinytorch.core.errors import ShapeError

X = np.array([[1, 2, 3]])


def tiny() -> Transformer:
    return Transformer(11, 8, 2, 2, context=9, rng=np.random.default_rng(0))


class Owned(list[Remembered]):
    """A past that knows whose it is."""

    def __init__(self, model: Transformer) -> None:
        super().__init__(Remembered() for _ in model.blocks)
        self.model = model


def test_a_past_that_knows_its_model_serves_no_other() -> None:
    model, other = tiny(), tiny()
    with no_grad():
        model(X, past=Owned(model))
        with pytest.raises(ValueError, match="belongs to another model"):
            model(X, past=Owned(other))


def test_each_block_has_a_past_of_its_own() -> None:
    with no_grad(), pytest.raises(ValueError, match=r"2 blocks, .* 1 different .* a list of 2"):
        tiny()(X, past=[Remembered()] * 2)
    with no_grad(), pytest.raises(ValueError, match=r"2 blocks, .* 3 different .* a list of 3"):
        tiny()(X, past=[Remembered() for _ in range(3)])


def test_pasts_that_were_not_filled_together_are_refused() -> None:
    model, past = tiny(), [Remembered(), Remembered()]
    with no_grad():
        model(X, past=past)
        past[1].parts.clear()
        with pytest.raises(ValueError, match=r"hold \[3, 0\] positions"):
            model(X, past=past)


def test_at_the_end_of_the_context_there_is_no_vector_for_a_position() -> None:
    model = tiny()
    past = [Remembered(), Remembered()]
    with no_grad():
        model(np.zeros((1, 9), int), past=past)
        with pytest.raises(ShapeError, match=r"10 tokens, .* 9: no vector is left .* empty the"):
            model(X[:, :1], past=past)
