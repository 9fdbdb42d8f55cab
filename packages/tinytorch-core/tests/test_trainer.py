"""Module 08, the loop: what `Trainer` does with its pieces, shows, remembers, and refuses."""

import io
import json
import math
import re
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from training_helper import network, points, same, trainer, weights

from tinytorch import Tensor
from tinytorch.core.history import History
from tinytorch.core.progress import Lines, Silent, display
from tinytorch.core.training import (
    CosineSchedule,
    EarlyStopping,
    Trainer,
)
from tinytorch.data import DataLoader, TensorDataset
from tinytorch.nn import CrossEntropyLoss, Linear, Module, MSELoss, Sequential
from tinytorch.optim import SGD, Adam


# The loop
def test_the_trainer_takes_the_steps_of_the_loop_that_is_written_out() -> None:
    mine, plain = network(), network()
    trainer(mine).fit(DataLoader(points(), 8), epochs=3)
    optimizer, loss = SGD(plain.parameters(), lr=0.1), CrossEntropyLoss()
    for _ in range(3):
        for batch in DataLoader(points(), 8):
            optimizer.zero_grad()
            loss(plain(batch.x), batch.y).backward()
            optimizer.step()
    assert same(mine, plain)


def test_what_is_to_follow_each_step_is_called_with_the_number_of_steps_so_far() -> None:
    model, seen = network(), []

    def after_step(step: int) -> None:
        seen.append(step)
        model[0].bias.data[...] = step

    trainer(model, accumulate=2, after_step=after_step).fit(DataLoader(points(), 8), epochs=2)
    assert seen == [1, 2, 3, 4]
    assert (model[0].bias.data == 4).all()  # the step was over: nothing moved it afterwards


def test_a_network_learns() -> None:
    data = points(200)
    model = network()
    history = Trainer(
        model, CrossEntropyLoss(), Adam(model.parameters(), lr=0.01), clip_norm=1.0, progress=False
    ).fit(DataLoader(data, 20), DataLoader(data, 50), epochs=30)
    assert history[-1]["train_loss"] < history[0]["train_loss"] / 3
    assert history[-1]["validation_accuracy"] > 0.95


def test_a_row_says_where_training_stands() -> None:
    history = trainer(lr=0.25).fit(DataLoader(points(), 8), DataLoader(points(), 8), epochs=2)
    assert [list(row) for row in history] == 2 * [
        ["epoch", "step", "train_loss", "validation_loss", "validation_accuracy", "lr", "seconds"]
    ]
    assert history.column("epoch") == [1, 2]
    assert history.column("step") == [3, 6]
    assert history.column("lr") == [0.25, 0.25]


def test_epochs_are_counted_from_the_very_first(capsys: pytest.CaptureFixture[str]) -> None:
    first, second = network(), network()
    in_parts = trainer(first, progress=Lines())
    for epochs in (1, 3, 3, 2):
        in_parts.fit(DataLoader(points(), 8), epochs=epochs)
    trainer(second).fit(DataLoader(points(), 8), epochs=3)
    assert same(first, second)
    assert "epoch 3 is complete already: fit(..., epochs=4)?" in capsys.readouterr().out


def test_a_model_that_gives_its_own_loss_needs_no_other() -> None:
    class Own(Module):
        def __init__(self) -> None:
            self.inner = network()

        def forward(self, x: Tensor, y: Tensor) -> Tensor:
            return CrossEntropyLoss()(self.inner(x), y)

    model, usual = Own(), network()
    history = Trainer(model, None, SGD(model.parameters(), lr=0.1), progress=False).fit(
        DataLoader(points(), 8), DataLoader(points(), 8), epochs=2
    )
    trainer(usual).fit(DataLoader(points(), 8), epochs=2)
    assert same(model, usual)
    assert "validation_loss" in history[0]


@pytest.mark.parametrize(
    "loader", [[], DataLoader(points(3), 8, drop_last=True)], ids=["empty", "dropped"]
)
def test_an_epoch_without_batches_is_an_error(loader: Any) -> None:
    with pytest.raises(ValueError, match="gave no batches"):
        trainer().fit(loader, epochs=1)


def test_an_iterator_that_is_used_up_is_an_error_in_the_second_epoch() -> None:
    with pytest.raises(ValueError, match="used up"):
        trainer().fit(iter(DataLoader(points(), 8)), epochs=2)


# NaN
def poisoned(batch: int) -> list[Any]:
    batches = list(DataLoader(points(), 8))
    batches[batch].x.data[0, 0] = np.nan
    return batches


def test_nan_in_the_data_is_told_from_nan_in_training() -> None:
    with pytest.raises(FloatingPointError, match=r"loss is nan at step 2 .*inputs .* hold NaN"):
        trainer().fit(poisoned(1), epochs=1)


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")
def test_a_loss_that_explodes_stops_with_step_lr_and_causes_before_more_harm() -> None:
    model = Sequential(Linear(4, 1, rng=np.random.default_rng(0)))
    x = np.ones((8, 4), np.float32)
    run = Trainer(model, MSELoss(), SGD(model.parameters(), lr=1e6), progress=False)
    with pytest.raises(FloatingPointError) as caught:
        run.fit(DataLoader(TensorDataset(x, x[:, :1]), 8), epochs=100)
    said = str(caught.value)
    step = int(re.search(r"at step (\d+) ", said)[1])  # type: ignore[index]
    assert step == run.position.step + 1
    assert "lr 1e+06" in said
    assert "lr is too high (try 100000, or warm_up)" in said
    assert all(np.isfinite(array).all() for array in weights(model))


def test_gradients_that_are_no_numbers_stop_training_before_the_step() -> None:
    class Explosive(Module):
        def __init__(self) -> None:
            self.w = Tensor([1.0], requires_grad=True)

        def forward(self, x: Tensor, y: Tensor) -> Tensor:
            loss = (self.w * 0.0) ** 0.5  # 0, with slope 0.5 / 0
            return loss.sum()

    model = Explosive()
    run = Trainer(model, None, SGD(model.parameters(), lr=0.1), clip_norm=1.0, progress=False)
    with (
        np.errstate(divide="ignore", invalid="ignore"),
        pytest.raises(FloatingPointError, match="the gradients' norm is nan"),
    ):
        run.fit(DataLoader(points(), 8), epochs=1)
    assert model.w.tolist() == [1.0]


# Early stopping
def rows(name: str, *values: float) -> History:
    return History({"epoch": i + 1, name: value} for i, value in enumerate(values))


@pytest.mark.parametrize(
    ("values", "stops"),
    [
        ((), False),
        ((3, 2, 1), False),
        ((1, 2), False),
        ((1, 2, 3), True),
        ((1, 1, 1), True),  # as good is not better
        ((2, 3, 1, 2), False),
        ((2, math.nan, math.nan), True),
        ((math.nan, 2, 3), False),
    ],
)
def test_stopping_waits_for_patience_epochs_without_a_new_best(
    values: tuple[float, ...], stops: bool
) -> None:
    assert EarlyStopping(2, "loss")(rows("loss", *values)) == stops
    assert EarlyStopping(2, "gain", "max")(rows("gain", *(-v for v in values))) == stops


def test_training_ends_when_nothing_gets_better() -> None:
    run = trainer(lr=0.0, early_stopping=EarlyStopping(2))
    loader = DataLoader(points(), 8)
    assert len(run.fit(loader, loader, epochs=50)) == 3
    assert len(run.fit(loader, loader, epochs=50)) == 3


def test_an_unknown_metric_is_answered_with_those_there_are() -> None:
    with pytest.raises(KeyError, match="'validation_loss'; there are epoch, step, train_loss"):
        trainer(early_stopping=EarlyStopping(2)).fit(DataLoader(points(), 8), epochs=1)


@pytest.mark.parametrize("wrong", [{"patience": 0}, {"patience": 1, "mode": "lower"}])
def test_early_stopping_that_makes_no_sense_is_refused(wrong: Any) -> None:
    with pytest.raises(ValueError, match="patience"):
        EarlyStopping(**wrong)


# History
def test_a_history_is_written_as_json_and_csv(tmp_path: Path) -> None:
    history = History([{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.25, "extra": 1.0}])
    history.save(tmp_path / "h.json")
    history.save(tmp_path / "h.csv")
    assert json.loads((tmp_path / "h.json").read_text()) == history
    assert (tmp_path / "h.csv").read_text() == "epoch,loss,extra\n1,0.5,\n2,0.25,1.0\n"
    with pytest.raises(ValueError, match=r"\.json or \.csv, not '\.txt'"):
        history.save(tmp_path / "h.txt")


def test_the_best_row_is_the_first_of_the_best() -> None:
    assert rows("v", 3, 1, 1).best("v")["epoch"] == 2
    assert rows("v", 3, 1, 3).best("v", "max")["epoch"] == 1


# Progress
class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def fit_two_epochs(**options: Any) -> None:
    trainer(**options).fit(DataLoader(points(), 8), DataLoader(points(), 8), epochs=2)


def test_in_a_pipe_there_is_a_line_for_each_epoch(capsys: pytest.CaptureFixture[str]) -> None:
    fit_two_epochs(progress=True)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines] == ["epoch 1/2", "epoch 2/2"]
    assert re.fullmatch(
        r"epoch 1/2  train_loss \d\.\d{4}  validation_loss \d\.\d{4}  "
        r"validation_accuracy \d\.\d{4}  lr 0\.1  \d+\.\d s",
        lines[0],
    )


def test_in_a_terminal_there_is_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stdout", terminal)
    fit_two_epochs(progress=True)
    shown = terminal.getvalue()
    assert "\x1b[" in shown
    assert "train_loss" in shown
    assert "0/3" in shown or "3/3" in shown


def test_progress_is_shown_unless_silence_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    model = network()
    run = Trainer(model, CrossEntropyLoss(), SGD(model.parameters(), lr=0.1))
    run.fit(DataLoader(points(), 8), epochs=1)
    assert capsys.readouterr().out.startswith("epoch 1/1")


@pytest.mark.parametrize("accumulate", [0, -1])
def test_a_step_of_no_batch_is_refused(accumulate: int) -> None:
    with pytest.raises(ValueError, match=f"accumulate={accumulate}: a step needs at least 1 batch"):
        trainer(accumulate=accumulate)


def test_silence_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    fit_two_epochs(progress=False)
    assert capsys.readouterr() == ("", "")


def test_a_display_of_ones_own_hears_of_every_step() -> None:
    class Heard(Silent):
        def __init__(self) -> None:
            self.told: list[Any] = []

        def begin_epoch(self, epoch: int, epochs: int, batches: int | None, done: int) -> None:
            self.told.append((epoch, epochs, batches, done))

        def advance(self, batches: int, loss: float) -> None:
            self.told.append(batches)

        def end_epoch(self, row: Any, epochs: int) -> None:
            self.told.append(row["step"])

    heard = Heard()
    fit_two_epochs(progress=heard, accumulate=2)
    assert heard.told == [(1, 2, 3, 0), 2, 1, 2, (2, 2, 3, 0), 2, 1, 4]
    assert display(heard) is heard


# Ctrl-C
class Interrupting(CrossEntropyLoss):
    """Presses Ctrl-C while the loss of call number `at` is computed."""

    def __init__(self, at: int, times: int = 1) -> None:
        super().__init__()
        self.at = at
        self.times = times
        self.calls = 0

    def __call__(self, logits: Tensor, target: Tensor) -> Tensor:
        self.calls += 1
        if self.calls == self.at:
            for _ in range(self.times):
                signal.raise_signal(signal.SIGINT)
        return super().__call__(logits, target)


def interrupted(loss: Interrupting, **options: Any) -> tuple[Trainer, str]:
    model = network()
    run = Trainer(model, loss, SGD(model.parameters(), lr=0.1), progress=False, **options)
    with pytest.raises(KeyboardInterrupt) as caught:
        run.fit(DataLoader(points(), 8), epochs=2)
    return run, str(caught.value)


def test_ctrl_c_finishes_the_step_and_says_how_to_resume(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run, said = interrupted(Interrupting(at=5), checkpoints=tmp_path)
    assert run.position.step == 5
    assert "stopped after step 5, in epoch 2. To go on: trainer.resume(" in said
    assert repr(str(tmp_path / "last.safetensors")) in said
    assert "stopping after this step" in capfd.readouterr().err


def test_after_ctrl_c_without_a_folder_fit_itself_goes_on() -> None:
    run, said = interrupted(Interrupting(at=2))
    assert "fit() with the same arguments goes on" in said
    run.fit(DataLoader(points(), 8), epochs=2)
    whole = network()
    trainer(whole).fit(DataLoader(points(), 8), epochs=2)
    assert same(run.model, whole)


def test_a_second_ctrl_c_stops_at_once(tmp_path: Path) -> None:
    run, said = interrupted(Interrupting(at=2, times=2), checkpoints=tmp_path)
    assert said == ""
    assert run.position.step == 1


def test_after_training_ctrl_c_is_what_it_was() -> None:
    before = signal.getsignal(signal.SIGINT)
    interrupted(Interrupting(at=1))
    assert signal.getsignal(signal.SIGINT) is before
    fit_two_epochs()
    assert signal.getsignal(signal.SIGINT) is before


def test_a_handler_of_the_user_is_left_alone() -> None:
    pressed = []
    before = signal.signal(signal.SIGINT, lambda number, frame: pressed.append(number))
    try:
        model = network()
        loss = Interrupting(at=1)
        Trainer(model, loss, SGD(model.parameters()), progress=False).fit(
            DataLoader(points(), 8), epochs=1
        )
    finally:
        signal.signal(signal.SIGINT, before)
    assert pressed == [signal.SIGINT]


def test_an_optimizer_of_another_model_is_refused() -> None:
    ours, theirs = Linear(2, 2), Linear(2, 2)
    with pytest.raises(ValueError, match="no parameter of this model"):
        Trainer(ours, CrossEntropyLoss(), SGD(theirs.parameters(), lr=0.1))


@pytest.mark.parametrize("what", [points(), Tensor(np.ones((4, 4))), np.ones((4, 4)), 3])
def test_what_gives_no_batches_is_refused_before_training(what: Any) -> None:
    words = rf"expected a loader of batches \(x, y\), got a {type(what).__name__}: .*DataLoader"
    mine = trainer()
    before = weights(mine.model)
    with pytest.raises(TypeError, match=f"^fit: {words}"):
        mine.fit(what, epochs=1)
    with pytest.raises(TypeError, match=f"^fit: validation: {words}"):
        mine.fit(DataLoader(points(), 8), what, epochs=1)
    with pytest.raises(TypeError, match=f"^evaluate: {words}"):
        mine.evaluate(what)
    assert all(map(np.array_equal, before, weights(mine.model)))


def test_a_class_in_place_of_an_object_is_refused() -> None:
    model = network()
    given = {"loss": CrossEntropyLoss(), "optimizer": SGD(model.parameters())}
    for argument, cls in {
        "loss": CrossEntropyLoss,
        "optimizer": SGD,
        "schedule": CosineSchedule,
        "early_stopping": EarlyStopping,
    }.items():
        words = rf"Trainer: {argument}={cls.__name__} is the class: .*{cls.__name__}\(\.\.\.\)"
        with pytest.raises(TypeError, match=words):
            Trainer(model, **{**given, argument: cls})


def test_a_list_in_place_of_an_optimizer_is_named():
    with pytest.raises(TypeError, match=r"the optimizer is a list: make one, Adam\(model.para"):
        Trainer(Linear(2, 1), MSELoss(), [])
