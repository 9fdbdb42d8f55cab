"""Fused blocks: the same numbers, the same text, the same FLOPs, from two operations a block."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinytorch.arch.models import LeNet5
from tinytorch.arch.transformers import RMSNorm, Transformer
from tinytorch.core.context import listening, no_grad, use
from tinytorch.core.primitive import Event
from tinytorch.opt.costs import cost_of
from tinytorch.opt.fused_decoding import fused_for_writing
from tinytorch.opt.memoization import caches_for
from tinytorch.opt.sliding_window import windowed


def tiny(**changes: Any) -> Transformer:
    """A model whose weights are large enough to tell texts apart."""
    rng = np.random.default_rng(0)
    sizes = {"vocab": 11, "d_model": 8, "n_heads": 2, "n_layers": 2, "context": 40}
    model = Transformer(**(sizes | changes), tied=False, rng=rng)
    for parameter in model.parameters():
        parameter.data += 0.3 * rng.standard_normal(parameter.shape, np.float32)
    return model


def heard_from(model: Transformer, x: np.ndarray) -> list[Event]:
    heard: list[Event] = []
    with no_grad(), listening(heard.append):
        model(x)
    return heard


@pytest.mark.parametrize("kernels", ["plain", "fast"])
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (3, 9)])
def test_logits_are_those_of_the_model_it_was_copied_from(
    kernels: str, shape: tuple[int, int]
) -> None:
    model = tiny(dropout=0.5)
    quick = fused_for_writing(model)
    x = np.random.default_rng(1).integers(0, 11, shape)
    model.eval()
    with no_grad(), use(kernels):
        whole = model(x).data
        np.testing.assert_allclose(quick(x).data, whole, 0, 1e-5)
        past = caches_for(quick)
        parts = [quick(x[:, i : i + 1], past=past).data for i in range(shape[1])]
    np.testing.assert_allclose(np.concatenate(parts, axis=1), whole, 0, 1e-5)


def test_the_same_text_is_written_with_its_cache_and_without() -> None:
    model = tiny()
    text = model.generate([1, 2, 3], 30, seed=0)
    quick = fused_for_writing(model)
    assert len(set(text.tolist())) > 3
    for past in (None, caches_for(quick)):
        assert quick.generate([1, 2, 3], 30, seed=0, past=past).tolist() == text.tolist()


def test_a_block_passes_the_door_twice_and_costs_the_same_flops() -> None:
    model, x = tiny(), np.zeros((2, 5), int)
    quick = fused_for_writing(model)
    few, many = heard_from(quick, x), heard_from(model, x)
    names = [event.record.primitive.name for event in few]
    assert names.count("normalised_heads") == names.count("attended_and_thought") == 2
    assert len(many) - len(few) > 30
    flops = []
    for events in (few, many):
        costs = [cost_of(event) for event in events]
        flops.append(sum(cost.flops for cost in costs if cost))
    assert flops[0] == flops[1] > 0
    assert all(cost_of(event) is not None for event in few)


def test_the_model_stays_as_it_is_and_the_copy_is_for_writing_only() -> None:
    model = tiny()
    before = model.state_dict()
    quick = fused_for_writing(model)
    quick.blocks[0].out.weight.data[...] = 0
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value, before[name])
    assert model.training
    assert model.parameters()[0].requires_grad
    assert not quick(np.zeros((1, 2), int)).requires_grad


def test_what_it_does_not_know_is_refused() -> None:
    with pytest.raises(TypeError, match="LeNet5 has no list `blocks`"):
        fused_for_writing(LeNet5())
    with pytest.raises(TypeError, match=r"a block with RMSNorm\(.*\): it knows LayerNorm"):
        fused_for_writing(tiny(norm=RMSNorm))
    with pytest.raises(TypeError, match="attention that is SlidingWindowAttention"):
        fused_for_writing(windowed(tiny(), 4))
    with pytest.raises(TypeError, match="FusedBlock is no TransformerBlock"):
        fused_for_writing(fused_for_writing(tiny()))
    block = fused_for_writing(tiny()).blocks[0]
    with pytest.raises(ValueError, match="it takes no mask"):
        block(np.zeros((1, 2, 8), np.float32), mask=np.ones((2, 2), bool))
