"""Resuming: a run that stopped anywhere and goes on is one that was never stopped."""

import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tinytorch
from tinytorch import Tensor
from tinytorch.core.checkpoints import (
    Checkpoint,
    generator_states,
    generators,
    load_model,
)
from tinytorch.core.random import manual_seed
from tinytorch.core.training import CosineSchedule, EarlyStopping, Trainer, warm_up
from tinytorch.data import DataLoader, TensorDataset
from tinytorch.nn import CrossEntropyLoss, Dropout, Linear, Module, ReLU, Sequential
from tinytorch.optim import SGD, Adam, AdamW

EPOCHS = 3


def points(n: int) -> TensorDataset:
    rng = np.random.default_rng(5)
    x = rng.standard_normal((n, 4), np.float32)
    return TensorDataset(x, (x @ rng.standard_normal((4, 3), np.float32)).argmax(1))


class Network(Module):
    """Dropout from a generator of its own and from the default one, and a buffer that moves."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.body = Sequential(
            Linear(4, 8, rng=rng), ReLU(), Dropout(0.3, rng=rng), Linear(8, 3, rng=rng)
        )
        self.drop = Dropout(0.2)
        self.register_buffer("calls", Tensor([0]))

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.calls.data += 1
        return self.body(self.drop(x))


class Stopping(CrossEntropyLoss):
    """Presses Ctrl-C in call number `at`."""

    def __init__(self, at: int | None) -> None:
        super().__init__()
        self.at = at
        self.calls = 0

    def __call__(self, logits: Tensor, target: Tensor) -> Tensor:
        self.calls += logits.requires_grad  # in training only
        if self.calls == self.at and logits.requires_grad:
            signal.raise_signal(signal.SIGINT)
        return super().__call__(logits, target)


class Experiment:
    """All that a program builds before it trains. The seed decides every random number."""

    def __init__(self, seed: int, folder: Path, stop_at: int | None = None, **options: Any) -> None:
        manual_seed(seed)
        make = options.pop("optimizer", lambda parameters: Adam(parameters, lr=0.02))
        prefetch = options.pop("prefetch", 0)
        model = Network(np.random.default_rng(seed))
        self.train = DataLoader(
            points(37),
            5,
            shuffle=True,
            transform=lambda x, rng: x + rng.standard_normal(x.shape, np.float32) / 10,
            rng=options.pop("shuffle_rng", lambda: None)(),
            prefetch=prefetch,
        )
        self.validation = DataLoader(points(11), 4, shuffle=True)
        self.trainer = Trainer(
            model,
            Stopping(stop_at),
            make(model.parameters()),
            **{
                "schedule": warm_up(CosineSchedule(20), 4),
                "clip_norm": 0.5,
                "checkpoints": folder,
                "progress": False,
                **options,
            },
        )

    def fit(self, epochs: int = EPOCHS) -> None:
        self.trainer.fit(self.train, self.validation, epochs=epochs)

    def outcome(self) -> dict[str, Any]:
        """Everything that a run leaves, as bytes and plain numbers, but for the seconds."""
        optimizer = self.trainer.optimizer.state_dict()
        return {
            "weights": {k: v.tobytes() for k, v in self.trainer.model.state_dict().items()},
            "optimizer": {k: v.tobytes() for k, v in optimizer["state"].items()},
            "groups": optimizer["param_groups"],
            "history": [
                {k: v for k, v in row.items() if k != "seconds"} for row in self.trainer.history
            ],
            "draws": generator_states({"model": self.trainer.model, "train": self.train}),
        }


def uninterrupted(tmp_path: Path, **options: Any) -> dict[str, Any]:
    experiment = Experiment(1, tmp_path / "whole", **options)
    experiment.fit()
    return experiment.outcome()


def stopped_and_resumed(tmp_path: Path, at: int, **options: Any) -> dict[str, Any]:
    first = Experiment(1, tmp_path / "parts", stop_at=at, **options)
    with pytest.raises(KeyboardInterrupt):
        first.fit()
    second = Experiment(2, tmp_path / "parts", **options)  # other weights, other random numbers
    second.trainer.resume(tmp_path / "parts" / "last.safetensors")
    second.fit()
    return second.outcome()


@pytest.mark.parametrize("at", range(1, 8 * EPOCHS + 1))
def test_a_run_stopped_at_any_batch_and_resumed_is_the_same_bit_for_bit(
    tmp_path: Path, at: int
) -> None:
    assert stopped_and_resumed(tmp_path, at) == uninterrupted(tmp_path)


VARIANTS = {
    "accumulation": {"accumulate": 3},
    "prefetching": {"prefetch": 2},
    "momentum": {"optimizer": lambda p: SGD(p, lr=0.05, momentum=0.9, nesterov=True)},
    "AdamW": {"optimizer": lambda p: AdamW(p, lr=0.05)},
    "groups": {
        "optimizer": lambda p: SGD([{"params": p[:2], "lr": 0.1}, {"params": p[2:], "lr": 0.01}])
    },
    "early stopping": {"early_stopping": EarlyStopping(1, "validation_accuracy", "max")},
    "no schedule": {"schedule": None},
    "own shuffle": {"shuffle_rng": lambda: np.random.default_rng(8)},
    "another kind of generator": {"shuffle_rng": lambda: np.random.Generator(np.random.MT19937(8))},
}


@pytest.mark.parametrize("at", [1, 9, 14])
@pytest.mark.parametrize("variant", VARIANTS)
def test_whatever_a_run_uses_resuming_it_changes_nothing(
    tmp_path: Path, variant: str, at: int
) -> None:
    options = VARIANTS[variant]
    whole = uninterrupted(tmp_path, **options)
    if variant == "early stopping" and at > 8 * len(whole["history"]):
        pytest.skip("it stopped before")
    assert stopped_and_resumed(tmp_path, at, **options) == whole


@pytest.mark.parametrize("epochs", [1, 2])
def test_a_run_resumed_from_the_end_of_an_epoch_is_the_same_bit_for_bit(
    tmp_path: Path, epochs: int
) -> None:
    first = Experiment(1, tmp_path / "parts")
    first.fit(epochs)
    second = Experiment(2, tmp_path / "parts")
    second.trainer.resume(tmp_path / "parts" / "last.safetensors")
    second.fit()
    assert second.outcome() == uninterrupted(tmp_path)


def test_a_run_stopped_twice_is_still_the_same(tmp_path: Path) -> None:
    path = tmp_path / "parts" / "last.safetensors"
    for seed, stop_at in ((1, 3), (2, 2), (3, 9)):
        experiment = Experiment(seed, tmp_path / "parts", stop_at=stop_at)
        if path.exists():
            experiment.trainer.resume(path)
        with pytest.raises(KeyboardInterrupt):
            experiment.fit()
    last = Experiment(4, tmp_path / "parts")
    last.trainer.resume(path)
    assert last.trainer.position.step == 3 + 2 + 9
    last.fit()
    assert last.outcome() == uninterrupted(tmp_path)


def test_going_on_in_the_same_program_is_the_same_too(tmp_path: Path) -> None:
    experiment = Experiment(1, tmp_path / "parts", stop_at=11)
    with pytest.raises(KeyboardInterrupt):
        experiment.fit()
    experiment.fit()
    assert experiment.outcome() == uninterrupted(tmp_path)


def test_the_parts_of_the_experiment_matter() -> None:
    """Were dropout, shuffling and noise not random here, the tests above would show little."""
    experiment = Experiment(1, Path("unused"))
    orders = [np.concatenate([b.x.data for b in experiment.train]) for _ in range(2)]
    assert not np.array_equal(*orders)
    x = Tensor(np.ones((1, 4), np.float32))
    assert experiment.trainer.model(x).tolist() != experiment.trainer.model(x).tolist()


def test_the_learning_rate_that_counts_is_the_one_of_the_checkpoint(tmp_path: Path) -> None:
    first = Experiment(1, tmp_path / "parts", stop_at=5)
    with pytest.raises(KeyboardInterrupt):
        first.fit()
    second = Experiment(2, tmp_path / "parts", optimizer=lambda p: Adam(p, lr=0.5))
    second.trainer.resume(tmp_path / "parts" / "last.safetensors")
    second.fit()
    assert second.outcome() == uninterrupted(tmp_path)


# What is kept
def test_checkpoints_are_kept_every_so_many_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = Experiment(1, tmp_path, checkpoint_every=3)
    steps = []
    keep = experiment.trainer.folder.keep  # type: ignore[union-attr]

    def watched(checkpoint: Checkpoint, *, best: bool) -> None:
        steps.append(checkpoint.position["step"])
        keep(checkpoint, best=best)

    monkeypatch.setattr(experiment.trainer.folder, "keep", watched)
    experiment.fit(epochs=1)
    assert steps == [3, 6, 8]


@pytest.mark.parametrize(
    ("early_stopping", "best"),
    [
        (None, lambda history: history.best("validation_loss")),
        (EarlyStopping(9, "train_loss", "max"), lambda history: history.best("train_loss", "max")),
    ],
)
def test_the_best_model_is_kept_beside_the_last(
    tmp_path: Path, early_stopping: EarlyStopping | None, best: Any
) -> None:
    experiment = Experiment(1, tmp_path, early_stopping=early_stopping, schedule=None)
    experiment.fit(epochs=8)
    history = experiment.trainer.history
    kept = Checkpoint.read(tmp_path / "best.safetensors")
    assert kept.position["epoch"] == best(history)["epoch"]
    assert Checkpoint.read(tmp_path / "last.safetensors").position["epoch"] == 8


def test_the_weights_of_the_best_can_be_taken_alone(tmp_path: Path) -> None:
    experiment = Experiment(1, tmp_path)
    experiment.fit(epochs=2)
    other = Experiment(2, tmp_path / "other")
    load_model(other.trainer.model, tmp_path / "last.safetensors")
    assert other.outcome()["weights"] == experiment.outcome()["weights"]
    assert other.trainer.position.step == 0


def test_a_checkpoint_written_before_going_on_is_the_one_that_was_read(tmp_path: Path) -> None:
    first = Experiment(1, tmp_path, stop_at=5)
    with pytest.raises(KeyboardInterrupt):
        first.fit()
    second = Experiment(2, tmp_path)
    second.trainer.resume(tmp_path / "last.safetensors")
    second.trainer.save(tmp_path / "again.safetensors")
    for name in ("last.safetensors", "again.safetensors"):
        third = Experiment(3, tmp_path / f"run of {name}")
        third.trainer.resume(tmp_path / name)
        third.fit()
        assert third.outcome() == uninterrupted(tmp_path)


# What does not fit
def saved(tmp_path: Path) -> Path:
    experiment = Experiment(1, tmp_path, stop_at=5)
    with pytest.raises(KeyboardInterrupt):
        experiment.fit()
    return tmp_path / "last.safetensors"


def test_a_file_of_tensors_is_no_checkpoint(tmp_path: Path) -> None:
    tinytorch.save({"w": np.ones(3)}, tmp_path / "w.safetensors")
    with pytest.raises(ValueError, match=r"w\.safetensors holds tensors, but is no checkpoint"):
        Experiment(1, tmp_path).trainer.resume(tmp_path / "w.safetensors")


def test_another_batch_size_within_an_epoch_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path)
    other = Experiment(2, tmp_path)
    other.train.batch_size = 7
    other.trainer.resume(path)
    with pytest.raises(ValueError, match="an epoch of 8 batches, and this loader has 6"):
        other.fit()


def test_another_set_of_generators_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path)
    other = Experiment(2, tmp_path, shuffle_rng=np.random.default_rng)
    other.trainer.resume(path)
    with pytest.raises(ValueError, match=r"this run has .*'train\.rng'"):
        other.fit()


def test_another_optimizer_is_refused_before_anything_changes(tmp_path: Path) -> None:
    path = saved(tmp_path)
    other = Experiment(2, tmp_path, optimizer=lambda p: SGD(p, lr=0.1))
    before = other.outcome()
    with pytest.raises(ValueError, match="does not fit SGD"):
        other.trainer.resume(path)
    assert other.outcome() == before


def test_another_model_is_refused_before_anything_changes(tmp_path: Path) -> None:
    path = saved(tmp_path)
    model = Linear(4, 3)
    other = Trainer(model, CrossEntropyLoss(), Adam(model.parameters()), progress=False)
    before = model.state_dict(), other.optimizer.state_dict()
    words = rf"{path.name} is the checkpoint of another run: this state does not fit Linear"
    with pytest.raises(ValueError, match=words):
        other.resume(path)
    assert str((model.state_dict(), other.optimizer.state_dict())) == str(before)


def test_generators_are_found_wherever_attributes_hold_them() -> None:
    class Noise:
        def __init__(self) -> None:
            self.parts = [{"rng": np.random.default_rng(0)}]
            self.itself = self

    model = Network(np.random.default_rng(0))
    names = set(generators({"model": model, "train": Noise()}))
    assert names == {"default", "model.body.layers.2.rng", "train.parts.0.rng"}


def test_what_a_kill_left_behind_is_cleared_away_by_the_next_run(tmp_path: Path) -> None:
    (tmp_path / ".last.safetensors.12ab34cd.partial").write_bytes(b"half of")
    (tmp_path / "mine.partial").write_bytes(b"something else")
    Experiment(1, tmp_path).fit(epochs=1)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"last.safetensors", "best.safetensors", "mine.partial"}
