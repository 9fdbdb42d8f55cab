"""Module 16: which weights magnitude pruning takes, that they stay 0, and how their number grows.

Left out: what a file gains by it (test_packing.py), and smaller shapes (test_structured.py).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinytorch.arch.models import CifarCNN, LeNet5, conv_norm
from tinytorch.core.training import Trainer
from tinytorch.data import DataLoader, TensorDataset
from tinytorch.nn import CrossEntropyLoss, Linear, ReLU, Sequential
from tinytorch.opt.compression import (
    CubicSparsity,
    GradualPruning,
    Pruning,
    apply_masks,
    magnitude_masks,
    prunable,
    sparsity_of,
)
from tinytorch.optim import SGD, Adam, AdamW


def network(seed: int = 0) -> Sequential:
    rng = np.random.default_rng(seed)
    return Sequential(Linear(4, 16, rng=rng), ReLU(), Linear(16, 3, rng=rng))


def batches(seed: int = 0) -> DataLoader:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((48, 4), np.float32)
    return DataLoader(TensorDataset(x, (x @ rng.standard_normal((4, 3))).argmax(1)), 8)


def zeros(masks: dict[str, Any]) -> int:
    return sum(int((~mask).sum()) for mask in masks.values())


# Which weights go
@given(st.floats(0, 0.999), st.sampled_from(["global", "layer"]))
@settings(deadline=None)
def test_exactly_the_asked_share_goes_and_it_is_the_smallest(sparsity: float, scope: str) -> None:
    model = network()
    masks = magnitude_masks(model, sparsity, scope)
    weights = {name: np.abs(tensor.data) for name, tensor in prunable(model).items()}
    together = [list(weights)] if scope == "global" else [[name] for name in weights]
    for names in together:
        size = sum(weights[name].size for name in names)
        assert zeros({name: masks[name] for name in names}) == round(sparsity * size)
        gone = np.concatenate([weights[name][~masks[name]] for name in names])
        stays = np.concatenate([weights[name][masks[name]] for name in names])
        assert gone.max(initial=0) <= stays.min(initial=np.inf)


def test_of_equal_weights_the_first_go() -> None:
    model = Sequential(Linear(40, 50))
    model[0].weight.data[...] = np.random.default_rng(0).choice([-1, 1], (40, 50))
    stays = magnitude_masks(model, 0.5)["0.weight"]
    assert not stays[:20].any()
    assert stays[20:].all()


def test_global_pruning_takes_more_from_the_layer_with_smaller_weights() -> None:
    model = network()
    model[0].weight.data *= 100
    masks = magnitude_masks(model, 0.4)
    assert masks["0.weight"].all()
    assert zeros(masks) == round(0.4 * (4 * 16 + 16 * 3))
    even = magnitude_masks(model, 0.5, "layer")
    assert [(~even[name]).sum() for name in even] == [32, 24]


def test_biases_normalisation_and_frozen_weights_are_left_alone() -> None:
    assert list(prunable(Sequential(conv_norm(1, 2, 3)))) == ["0.weight"]
    model = CifarCNN()
    model.whiten(np.random.default_rng(0).random((20, 3, 32, 32), np.float32))
    assert list(prunable(model)) == [
        "body.1.weight", "body.5.weight", "body.9.weight", "head.weight",
    ]  # fmt: skip


def test_named_weights_only_are_pruned() -> None:
    masks = magnitude_masks(network(), 0.5, names=["2.weight"])
    assert {name: zeros({name: mask}) for name, mask in masks.items()} == {"2.weight": 24}
    with pytest.raises(KeyError, match=r"no weight '1\.weight' to prune; there are 0\.weight, 2"):
        magnitude_masks(network(), 0.5, names=["1.weight"])


def test_a_share_is_a_number() -> None:
    with pytest.raises(TypeError, match=r"sparsity='0.9': the share of weights to prune is a num"):
        magnitude_masks(network(), "0.9")  # type: ignore[arg-type]


@pytest.mark.parametrize("sparsity", [-0.1, 1, 1.5, float("nan")])
def test_a_share_that_leaves_nothing_is_refused(sparsity: float) -> None:
    with pytest.raises(ValueError, match="at least 0, below 1"):
        magnitude_masks(network(), sparsity)


def test_what_cannot_be_pruned_is_refused() -> None:
    with pytest.raises(ValueError, match='must be "global" or "layer"'):
        magnitude_masks(network(), 0.5, "filter")
    with pytest.raises(ValueError, match="nothing to prune"):
        prunable(Sequential(ReLU()))
    broken = network()
    broken[0].weight.data[0, 0] = np.nan
    with pytest.raises(ValueError, match="no numbers"):
        magnitude_masks(broken, 0.5)


def test_masks_of_another_model_are_refused() -> None:
    masks = magnitude_masks(network(), 0.5)
    with pytest.raises(KeyError, match=r"has no parameter '0\.weight'"):
        apply_masks(Sequential(ReLU()), masks)
    with pytest.raises(ValueError, match=r"a mask of shape \(4, 16\) for a weight of \(4, 2\)"):
        apply_masks(Sequential(Linear(4, 2)), {"0.weight": masks["0.weight"]})


def test_an_infinite_weight_that_is_pruned_is_zero() -> None:
    model = Sequential(Linear(1, 1))
    model[0].weight.data[...] = np.inf
    apply_masks(model, {"0.weight": np.zeros((1, 1), bool)})
    assert model[0].weight.data == 0


# How they stay zero
@pytest.mark.parametrize(
    ("optimizer", "options"),
    [
        (SGD, {"lr": 0.1, "momentum": 0.9, "weight_decay": 1e-2}),
        (SGD, {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
        (Adam, {"lr": 0.01, "weight_decay": 1e-2}),
        (AdamW, {"lr": 0.01}),
    ],
)
def test_pruned_weights_stay_exactly_zero_and_the_others_learn(
    optimizer: Any, options: dict[str, Any]
) -> None:
    model = network()
    moving = optimizer(model.parameters(), **options)
    Trainer(model, CrossEntropyLoss(), moving, progress=False).fit(batches(), epochs=1)
    masks = magnitude_masks(model, 0.6)  # the optimizer remembers where these were going
    pruning = Pruning(model, masks)
    before = model.state_dict()
    assert all((before[name][~mask] == 0).all() for name, mask in masks.items())  # at once
    trainer = Trainer(model, CrossEntropyLoss(), moving, after_step=pruning, progress=False)
    history = trainer.fit(batches(), epochs=4)
    for name, mask in masks.items():
        after = model.state_dict()[name]
        assert (after[~mask] == 0).all()
        assert (after != before[name])[mask].all()
    assert history[-1]["train_loss"] < history[0]["train_loss"]


def test_without_the_masks_they_do_not_stay_zero() -> None:
    model = network()
    Pruning(model, magnitude_masks(model, 0.6))
    optimizer = SGD(model.parameters(), lr=0.1)
    Trainer(model, CrossEntropyLoss(), optimizer, progress=False).fit(batches(), epochs=1)
    assert sparsity_of(model).total.zeros < 10


# How their number grows
def test_the_cubic_schedule_is_that_of_the_paper() -> None:
    schedule = CubicSparsity(0.9, begin=100, end=300, initial=0.1)
    assert [schedule(step) for step in (0, 100)] == [pytest.approx(0.1)] * 2
    assert [schedule(step) for step in (300, 999)] == [0.9, 0.9]
    assert schedule(200) == pytest.approx(0.9 - 0.8 / 8)  # halfway, (1 - 1/2)^3 is left to do
    assert schedule(150) == pytest.approx(0.9 - 0.8 * 27 / 64)


@pytest.mark.parametrize(
    "wrong", [{"final": 1.0}, {"begin": -1}, {"begin": 10}, {"initial": 0.8}, {"initial": -0.1}]
)
def test_a_schedule_that_falls_or_never_ends_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"final|initial|must begin"):
        CubicSparsity(**({"final": 0.5, "begin": 0, "end": 10} | wrong))  # type: ignore[arg-type]


def test_gradual_pruning_takes_more_every_few_steps_and_gives_nothing_back() -> None:
    model = network()
    schedule = CubicSparsity(0.75, begin=6, end=24)
    gradual = GradualPruning(model, schedule, every=6)
    counts, gone = [], np.zeros((4, 16), bool)

    def after_step(step: int) -> None:
        gradual(step)
        weight = model[0].weight.data
        assert (weight[gone] == 0).all()
        gone[weight == 0] = True
        counts.append(sum(int((p.data == 0).sum()) for p in prunable(model).values()))

    optimizer = Adam(model.parameters(), lr=0.01, weight_decay=0.1)
    trainer = Trainer(model, CrossEntropyLoss(), optimizer, after_step=after_step, progress=False)
    trainer.fit(batches(), epochs=5)  # of 6 steps each
    wanted = [round(schedule(step) * 112) for step in (0, 6, 12, 18, 24)]
    assert counts == [0] * 5 + [n for n in wanted[1:4] for _ in range(6)] + [wanted[4]] * 7
    assert wanted[4] == 84


def resumable(path: Path, epochs: int, *, resume: bool = False, take_up: bool = True) -> Sequential:
    """Train with gradual pruning, from the start or from what is in `path`, and save there."""
    model = network()
    gradual = GradualPruning(model, CubicSparsity(0.75, 3, 20), every=4)
    optimizer = Adam(model.parameters(), lr=0.05)
    trainer = Trainer(model, CrossEntropyLoss(), optimizer, after_step=gradual, progress=False)
    if resume:
        trainer.resume(path)
        if take_up:
            gradual.take_up()
    trainer.fit(batches(), epochs=epochs)
    trainer.save(path)
    return model


@pytest.mark.parametrize("first", [1, 2])  # after 6 steps, between two prunings, and after 12
def test_gradual_pruning_that_is_resumed_ends_as_if_never_stopped(
    tmp_path: Path, first: int
) -> None:
    whole = resumable(tmp_path / "whole.safetensors", 4)
    resumable(tmp_path / "part.safetensors", first)
    resumed = resumable(tmp_path / "part.safetensors", 4, resume=True)
    for name, array in whole.state_dict().items():
        np.testing.assert_array_equal(array, resumed.state_dict()[name])


def test_gradual_pruning_that_was_not_taken_up_says_so(tmp_path: Path) -> None:
    resumable(tmp_path / "part.safetensors", 1)
    with pytest.raises(RuntimeError, match=r"its first step is number 7, .* call take_up\(\)"):
        resumable(tmp_path / "part.safetensors", 4, resume=True, take_up=False)


def test_gradual_pruning_needs_steps_in_between() -> None:
    with pytest.raises(ValueError, match="every=0"):
        GradualPruning(network(), CubicSparsity(0.5, 0, 10), every=0)


# How many there are
def test_the_report_counts_zeros_of_every_parameter() -> None:
    model = LeNet5()
    apply_masks(model, magnitude_masks(model, 0.9))
    report = sparsity_of(model)
    assert len(report) == 10
    assert report.total.size == 61_706
    assert report.total.zeros == round(0.9 * (61_706 - 236))  # 236 are biases
    lines = str(report).splitlines()
    assert lines[0].split() == ["parameter", "shape", "elements", "zeros", "share"]
    assert lines[-1].split() == ["all", "61,706", "55,323", "89.7%"]
