"""Settings: what is read, what is refused and how, and that a written file describes its run."""

import dataclasses
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinytorch.core.checkpoints import Checkpoint
from tinytorch.core.config import (
    ConfigError,
    from_table,
    read_config,
    save_config,
    setting,
    to_table,
    to_toml,
)
from tinytorch.core.runs import RunSettings, main, train
from tinytorch.core.training import Trainer

SMALL = [
    "data.name=drawn",
    "data.examples=120",
    "model.hidden=[8]",
    "epochs=2",
    "model.dropout=0.2",
]


@dataclasses.dataclass(frozen=True)
class Inner:
    rate: float = setting(0.5, above=0, below=1)
    sizes: tuple[int, ...] = setting((1, 2), at_least=1)


@dataclasses.dataclass(frozen=True)
class Outer:
    name: str = setting("plain")
    count: int = setting(3, at_least=0)
    on: bool = setting(False)
    limit: float | None = setting(None, above=0)
    share: float = setting(0.0, below=1)
    inner: Inner = dataclasses.field(default_factory=Inner)


def fault(table: dict[str, Any]) -> str:
    with pytest.raises(ConfigError) as caught:
        from_table(Outer, table)
    return str(caught.value)


def run_fault(*changes: str) -> str:
    with pytest.raises(ConfigError) as caught:
        read_config(RunSettings, changes=changes)
    return str(caught.value)


def test_without_a_file_all_settings_are_defaults() -> None:
    assert read_config(RunSettings) == RunSettings()


def test_a_change_beats_the_file_and_the_file_beats_the_default(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text("epochs = 5\nseed = 7\n[optimizer]\nlr = 0.5\n")
    settings = read_config(RunSettings, path, ["epochs=6", "optimizer.name=sgd"])
    assert (settings.epochs, settings.seed) == (6, 7)
    assert (settings.optimizer.name, settings.optimizer.lr) == ("sgd", 0.5)
    assert settings.data == RunSettings().data


@given(
    st.builds(
        Outer,
        name=st.text(),
        count=st.integers(0, 2**60),
        on=st.booleans(),
        limit=st.none() | st.floats(0, exclude_min=True, allow_infinity=False),
        inner=st.builds(
            Inner,
            rate=st.floats(0, 1, exclude_min=True, exclude_max=True),
            sizes=st.lists(st.integers(1, 99), max_size=4).map(tuple),
        ),
    )
)
def test_what_is_written_reads_the_same(settings: Outer) -> None:
    import tomllib

    assert from_table(Outer, tomllib.loads(to_toml(settings))) == settings


def test_all_settings_are_written_those_left_at_their_defaults_too(tmp_path: Path) -> None:
    save_config(RunSettings(), tmp_path / "run.toml")
    assert read_config(RunSettings, tmp_path / "run.toml") == RunSettings()
    assert "lr = 0.001" in (tmp_path / "run.toml").read_text()
    assert to_table(RunSettings())["schedule"]["name"] == "constant"


def test_a_misspelled_key_is_answered_with_the_near_miss() -> None:
    said = run_fault("optimizer.learnin_rate=0.1")
    assert "optimizer.learnin_rate: there is no such setting; did you mean optimizer.lr?" in said


@pytest.mark.parametrize(
    ("change", "meant"),
    [("epoch=3", "epochs"), ("lr=0.1", "optimizer.lr"), ("optimzer.lr=1", "optimizer")],
)
def test_a_key_in_the_wrong_place_is_found(change: str, meant: str) -> None:
    assert f"did you mean {meant}?" in run_fault(change)


def test_a_key_like_no_other_is_answered_with_all_there_are() -> None:
    assert "inner.zzz: there is no such setting; there are rate, sizes" in fault(
        {"inner": {"zzz": 1}}
    )


def test_a_value_that_is_not_allowed_is_named_with_those_that_are() -> None:
    said = run_fault("model.activation=rlu")
    assert "model.activation = 'rlu'" in said
    assert "one of relu, tanh, sigmoid, gelu; did you mean relu?" in said


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"count": -1}, "count = -1: it must be at least 0"),
        ({"count": 1.5}, "count = 1.5: it must be an integer"),
        ({"count": True}, "count = True: it must be an integer"),
        ({"on": 1}, "on = 1: it must be true or false"),
        ({"name": 3}, "name = 3: it must be a text in quotes"),
        ({"limit": "much"}, "limit = 'much': it must be a number"),
        ({"limit": 0}, "limit = 0: it must be above 0"),
        ({"count": None}, "count = None: it must be an integer"),
        ({"inner": {"rate": 1.0}}, "inner.rate = 1.0: it must be above 0 and below 1"),
        ({"inner": {"rate": float("nan")}}, "inner.rate = nan: it must be above 0 and below 1"),
        ({"inner": {"sizes": 3}}, "inner.sizes = 3: it must be a list, each element an integer"),
        ({"inner": {"sizes": [1, 0]}}, "inner.sizes = [1, 0]: it must be at least 1"),
        ({"share": float("nan")}, "share = nan: it must be below 1"),
        ({"inner": 3}, "inner = 3: this is a table, [inner] in TOML"),
    ],
)
def test_each_fault_names_key_value_and_what_is_allowed(table: dict[str, Any], said: str) -> None:
    assert said in fault(table)


def test_all_faults_are_named_at_once() -> None:
    said = fault({"count": -1, "on": 2, "inner": {"rate": 3.0}})
    assert all(key in said for key in ("count", "on", "inner.rate"))


def test_an_integer_will_do_for_a_number_and_becomes_one() -> None:
    limit = from_table(Outer, {"limit": 2}).limit
    assert type(limit) is float


def test_a_setting_that_may_be_absent_can_be_taken_away(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text("clip_norm = 1.0\n")
    assert read_config(RunSettings, path).clip_norm == 1.0
    assert read_config(RunSettings, path, ["clip_norm=none"]).clip_norm is None


@pytest.mark.parametrize("change", ["epochs", "=3", "seed.x=1"])
def test_a_change_that_changes_nothing_is_refused(change: str, tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text("seed = 1\n")
    with pytest.raises(ConfigError, match=f"'{change}'"):
        read_config(RunSettings, path, [change])


def test_a_file_that_is_no_toml_is_named(tmp_path: Path) -> None:
    path = tmp_path / "broken.toml"
    path.write_text("epochs = = 3")
    with pytest.raises(ConfigError, match=r"broken\.toml is no TOML: .*line 1"):
        read_config(RunSettings, path)
    with pytest.raises(FileNotFoundError, match=r"absent\.toml: there is no such file"):
        read_config(RunSettings, tmp_path / "absent.toml")


def test_faults_in_a_file_name_the_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("epochs = 0\n")
    with pytest.raises(ConfigError, match=r"mine\.toml cannot be used:\n  epochs = 0"):
        read_config(RunSettings, path)


# Runs
def test_the_settings_beside_a_checkpoint_describe_the_same_run(tmp_path: Path) -> None:
    first = train(
        read_config(RunSettings, changes=[*SMALL, "seed=3"]), tmp_path / "a", progress=False
    )
    again = train(read_config(RunSettings, tmp_path / "a" / "run.toml"), progress=False)
    for name, array in first.trainer.model.state_dict().items():
        assert np.array_equal(array, again.trainer.model.state_dict()[name])
    files = {path.name for path in (tmp_path / "a").iterdir()}
    assert files == {"run.toml", "history.csv", "last.safetensors", "best.safetensors"}


def test_every_setting_that_matters_changes_the_run() -> None:
    def result(*changes: str) -> float:
        settings = read_config(RunSettings, changes=[*SMALL, *changes])
        return train(settings, progress=False).trainer.history[-1]["train_loss"]

    plain = result()
    changes = [
        "seed=1",
        "accumulate=2",
        "clip_norm=0.1",
        "label_smoothing=0.1",
        "data.held_out=0.5",
    ]
    changes += ["data.examples=100", "data.batch_size=32", "model.hidden=[8, 8]", "model.dropout=0"]
    changes += ["model.activation=tanh", "optimizer.name=sgd", "optimizer.lr=0.01"]
    changes += ["optimizer.weight_decay=0.9", "optimizer.betas=[0.5, 0.9]", "schedule.warm_up=2"]
    changes += ["schedule.name=cosine", "schedule.name=linear", "epochs=1"]
    assert [change for change in changes if result(change) == plain] == []
    cosine = ["schedule.name=cosine"]
    assert result(*cosine, "schedule.floor=0.5") != result(*cosine)
    step = ["schedule.name=step", "schedule.every=1"]
    assert len({result(*step), result(*step, "schedule.factor=0.5"), plain}) == 3
    sgd = ["optimizer.name=sgd", "optimizer.momentum=0.9"]
    assert len({result(*sgd), result(sgd[0]), result(*sgd, "optimizer.nesterov=true")}) == 3


def test_prefetching_does_not_change_the_run() -> None:
    def losses(ahead: int) -> list[float]:
        settings = read_config(RunSettings, changes=[*SMALL, f"data.prefetch={ahead}"])
        return train(settings, progress=False).trainer.history.column("train_loss")

    assert losses(0) == losses(2)


def test_patience_stops_a_run_early() -> None:
    settings = read_config(
        RunSettings, changes=[*SMALL, "epochs=50", "patience=1", "optimizer.lr=1"]
    )
    assert len(train(settings, progress=False).trainer.history) < 50


def test_a_folder_that_holds_a_run_is_not_overwritten(tmp_path: Path) -> None:
    settings = read_config(RunSettings, changes=SMALL)
    train(settings, tmp_path, progress=False)
    with pytest.raises(FileExistsError, match="holds a run already: resume"):
        train(settings, tmp_path, progress=False)
    with pytest.raises(ConfigError, match="describes another run"):
        train(read_config(RunSettings, changes=[*SMALL, "seed=9"]), tmp_path, resume=True)


def test_the_command_line_trains_and_says_how_good_the_result_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*SMALL, "--out", str(tmp_path / "run")]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith("epoch 1/2  train_loss ")
    assert out[-1].startswith("test: loss ")
    assert (
        main([str(tmp_path / "run" / "run.toml"), "--out", str(tmp_path / "run"), "--resume"]) == 0
    )


def test_the_command_line_refuses_with_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["epochs=0", "optimizer.lr=-1"]) == 2
    said = capsys.readouterr()
    assert not said.out
    assert "epochs = 0" in said.err
    assert "optimizer.lr = -1" in said.err


def test_ctrl_c_ends_the_command_with_status_130_and_it_can_be_resumed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    step = Trainer.train_step

    def press(self: Trainer, batches: Any) -> float:
        monkeypatch.undo()
        signal.raise_signal(signal.SIGINT)
        return step(self, batches)

    monkeypatch.setattr(Trainer, "train_step", press)
    command = [*SMALL, "--out", str(tmp_path)]
    assert main(command) == 130
    assert f"with --resume --out {tmp_path}" in capfd.readouterr().err
    assert main([*command, "--resume"]) == 0
    whole = train(
        read_config(RunSettings, changes=SMALL), progress=False
    ).trainer.model.state_dict()
    resumed = Checkpoint.read(tmp_path / "last.safetensors").model
    assert all(np.array_equal(whole[name], resumed[name]) for name in whole)


def test_the_command_line_shows_settings_as_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--show", "epochs=3"]) == 0
    assert "epochs = 3\n" in capsys.readouterr().out
