"""The milestone of 2017: its parts, that its gates can fail, and what it shows and keeps.

The quick recipe on both texts is marked slow.
"""

from __future__ import annotations

import functools
import json
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tinytorch import Tensor
from tinytorch.arch.milestones import m2017
from tinytorch.arch.milestones.reversal import Reversal, judge, learn, shaded
from tinytorch.arch.milestones.texts import InOrder, Stretches
from tinytorch.arch.milestones.writer import load_writer
from tinytorch.core.milestones import sources
from tinytorch.core.milestones.frame import Stage
from tinytorch.core.milestones.result import Result
from tinytorch.core.serialization import save
from tinytorch.datasets import Almanac, DownloadError, available
from tinytorch.tito import main
from tinytorch.tito.screen import Screen

SMALL = {
    "almanac_steps": 12,
    "rounds": 3,
    "batch": 4,
    "model.d_model": 16,
    "model.n_layers": 1,
    "model.context": 16,
    "reversal.length": 4,
    "reversal.steps": 250,
    "reversal.batch": 64,
    "reversal.tests": 50,
    "characters": 30,
}


def small(**changes: Any) -> Result:
    """A run of seconds, on the built-in text."""
    changes = SMALL | {name.replace("__", "."): value for name, value in changes.items()}
    out, show = changes.pop("out", None), changes.pop("show", False)
    return m2017.run(recipe="quick", data="almanac", changes=changes, out=out, show=show)


@functools.cache
def small_without_stopping() -> Result:
    """The run that others are compared with."""
    return small()


def stage() -> Stage:
    result = Result("2017", "", "", "quick", {}, 0, {}, {})
    return Stage(m2017.TRANSFORMER, result, Screen(quiet=True), None)


# Reversal
def test_attention_learns_to_look_at_the_mirrored_place() -> None:
    task = Reversal(length=6, steps=300, batch=64, tests=300)
    on = stage()
    model = learn(on, task)
    assert judge(on, task, model) == 1.0
    seen = model.looks_at(Tensor(np.arange(12).reshape(2, 6) % 10))
    assert seen.argmax(axis=1).tolist() == [5, 4, 3, 2, 1, 0]
    assert np.diag(seen[:, ::-1]).min() > 0.5


def test_a_network_that_learned_nothing_reverses_nothing() -> None:
    task = Reversal(length=6, steps=1, tests=100)
    on = stage()
    assert judge(on, task, learn(on, task)) == 0.0


def test_shares_are_drawn_darker_where_they_are_larger() -> None:
    assert shaded(np.array([[1.0, 0.0], [0.6, 0.2]])) == ["██", "▒▒··"]


# Batches of text
def test_stretches_begin_anywhere_and_targets_are_the_next_tokens() -> None:
    ids = np.arange(100)
    batches = list(Stretches(ids, 8, 5, 30, np.random.default_rng(0)))
    assert len(batches) == 30
    for x, y in batches:
        assert x.shape == y.shape == (5, 8)
        np.testing.assert_array_equal(y.data, x.data + 1)
        np.testing.assert_array_equal(np.diff(x.data, axis=1), 1)
    starts = {int(row[0]) for x, _ in batches for row in x.data}
    assert min(starts) == 0
    assert max(starts) == 91  # 91 to 98 and, as the last target, 99
    assert len(starts) > 60


def test_in_order_a_text_is_read_once_from_its_beginning() -> None:
    x, y = zip(*InOrder(np.arange(50), 8, 4), strict=True)
    assert np.concatenate([part.data.ravel() for part in x]).tolist() == list(range(48))
    assert np.concatenate([part.data.ravel() for part in y]).tolist() == list(range(1, 49))
    assert len(InOrder(np.arange(50), 8, 4)) == len(x) == 2
    every = [int(row[0]) for x, _ in InOrder(np.arange(50), 8, 4, every=3) for row in x.data]
    assert every == [0, 24]


def test_the_learning_rate_stays_and_then_falls_to_nothing() -> None:
    factor = m2017.flat_then_falling(100)
    assert [factor(step) for step in (0, 50, 75, 100, 120)] == [1, 1, 0.5, 0, 0]


# The whole
def test_it_runs_on_the_built_in_text_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    result = m2017.run(recipe="quick", data="almanac", changes=SMALL)
    shown = capsys.readouterr().out
    assert result.data["name"] == "the almanac"
    assert "Data: the almanac (built in, not TinyShakespeare)" in shown
    assert "validation loss on the almanac" in shown
    assert "validation loss on TinyShakespeare" not in shown
    written = result.numbers["text"]
    assert len(written) == 30
    assert set(written) <= set(Almanac().text)
    assert written in shown  # character by character, but whole in the end
    assert result.numbers["sequences reversed"] == 1.0
    assert [gate.goal for gate in result.gates] == [False, False, True]


def test_a_training_that_is_too_short_misses_the_gate() -> None:
    result = small()
    loss = next(gate for gate in result.gates if not gate.goal and not gate.percent)
    assert loss.value > loss.bound
    assert not result.passed


def test_a_reversal_that_is_not_learned_misses_the_gate() -> None:
    result = small(reversal__steps=2)
    reversal = next(gate for gate in result.gates if gate.percent)
    assert reversal.value < 1
    assert not reversal.passed


def test_the_loss_in_the_record_is_that_of_the_whole_validation_text(tmp_path: Path) -> None:
    result = small(out=tmp_path)
    record = json.loads((tmp_path / "result.json").read_text())
    assert record["numbers"]["validation loss"] == result.numbers["validation loss"]
    assert record["settings"]["model.context"] == 16
    assert {curve["name"] for curve in record["curves"]} == {
        "loss of reversal",
        "training loss",
        "validation loss",
    }
    # in the last round all of the short text was read: the same model, the same number
    (rounds,) = [curve.values for curve in result.curves if curve.name == "validation loss"]
    assert rounds[-1] == pytest.approx(result.numbers["validation loss"])
    assert len(rounds) == 3


def test_a_run_that_was_stopped_goes_on_and_ends_as_if_it_had_not_been(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = small_without_stopping()
    advance = m2017.Rounds.advance

    def stop_at_the_sixth_step(self: Any, batches: int, loss: float) -> None:
        advance(self, batches, loss)
        if len(self.losses) == 6:
            raise KeyboardInterrupt

    monkeypatch.setattr(m2017.Rounds, "advance", stop_at_the_sixth_step)
    with pytest.raises(KeyboardInterrupt):
        small(out=tmp_path)
    monkeypatch.setattr(m2017.Rounds, "advance", advance)
    assert len(list((tmp_path / "checkpoints").glob("*/last.safetensors"))) == 1
    other = small(out=tmp_path, batch=5)  # another run does not take it up
    assert [c.name for c in other.curves][1] == "training loss"
    assert "Stopped. The same command goes on from here." in capsys.readouterr().err
    resumed = small(out=tmp_path, show=True)
    assert resumed.curves == whole.curves  # the losses before it stopped, too
    rows = (
        capsys.readouterr().out.rpartition("Going on after step 4")[2].partition("training loss")[0]
    )
    assert [line.split()[0] for line in rows.splitlines() if "." in line[:14]] == ["4", "8", "12"]
    assert resumed.numbers == whole.numbers
    assert whole.seconds_before == 0 < resumed.seconds_before < resumed.seconds
    assert not (tmp_path / "checkpoints").exists()  # finished: nothing to go on with


def test_a_run_that_ctrl_c_stopped_within_a_round_has_its_whole_curve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    advance = m2017.Rounds.advance

    def press_ctrl_c_at_the_sixth_step(self: Any, batches: int, loss: float) -> None:
        advance(self, batches, loss)
        if len(self.losses) == 6:
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(m2017.Rounds, "advance", press_ctrl_c_at_the_sixth_step)
        with pytest.raises(KeyboardInterrupt):
            small(out=tmp_path)
    resumed, whole = small(out=tmp_path), small_without_stopping()
    assert resumed.curves == whole.curves
    assert resumed.numbers == whole.numbers


def test_a_curve_begins_where_a_run_went_on_if_what_was_before_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    advance = m2017.Rounds.advance

    def stop_at_the_sixth_step(self: Any, batches: int, loss: float) -> None:
        advance(self, batches, loss)
        if len(self.losses) == 6:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(m2017.Rounds, "advance", stop_at_the_sixth_step)
        with pytest.raises(KeyboardInterrupt):
            small(out=tmp_path)
    (losses,) = tmp_path.glob("checkpoints/*/losses.json")
    losses.unlink()
    (curve,) = [c for c in small(out=tmp_path).curves if c.name.startswith("training loss")]
    assert (curve.name, curve.first, curve.length) == ("training loss from step 5", 5, 8)


def test_a_run_that_was_stopped_while_it_wrote_does_not_train_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*arguments: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(m2017, "write", stop)
        with pytest.raises(KeyboardInterrupt):
            small(out=tmp_path)
    whole = small_without_stopping()
    monkeypatch.setattr(m2017.Trainer, "train_step", stop)
    assert small(out=tmp_path).numbers == whole.numbers


def test_the_weights_are_kept_with_all_that_writing_takes(tmp_path: Path) -> None:
    result = small(out=tmp_path)
    model, tokenizer = load_writer(tmp_path / "gpt.safetensors")
    tokens = model.generate(tokenizer.encode("\n"), 30, temperature=0.8, seed=0)
    assert tokenizer.decode(tokens[1:]) == result.numbers["text"]
    save({"x": np.ones(2, np.float32)}, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match="no character GPT of this version"):
        load_writer(tmp_path / "other.safetensors")


def test_without_the_text_and_without_a_network_the_almanac_serves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(name: str, progress: object) -> None:
        raise DownloadError(f"{name} could not be downloaded:\n  details")

    monkeypatch.delenv("TINYTORCH_DATA", raising=False)
    monkeypatch.setenv("TINYTORCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(sources, "fetch", refuse)
    result = m2017.run(recipe="quick", changes=SMALL)
    said = " ".join(capsys.readouterr().out.split())
    assert "could not be downloaded. The built-in almanac takes its place" in said
    assert result.data["name"] == "the almanac"
    with pytest.raises(DownloadError):
        m2017.run(recipe="quick", data="tinyshakespeare", changes=SMALL, show=False)


def test_it_is_found_by_year_and_name(capsys: pytest.CaptureFixture[str]) -> None:
    pairs = [f"--set={name}={value}" for name, value in SMALL.items()]
    assert main(["milestone", "run", "transformer", "--data", "almanac", "--json", *pairs]) == 1
    assert json.loads(capsys.readouterr().out)["milestone"] == "2017"
    assert main(["milestone", "list"]) == 0
    assert "2017" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("data", ["almanac", "tinyshakespeare"])
def test_the_quick_recipe_passes(data: str) -> None:
    here = os.environ.get("TINYTORCH_DATA") and available("tinyshakespeare")
    if data == "tinyshakespeare" and not here:
        pytest.skip("TINYTORCH_DATA does not name a folder that holds TinyShakespeare")
    assert m2017.run(recipe="quick", data=data, show=False).passed
