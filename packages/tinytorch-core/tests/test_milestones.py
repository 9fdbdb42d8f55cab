"""The milestones: they reach their gates, the gates can fail, and what is shown and kept is true.

The long forms (100 seeds, five trainings on MNIST) are marked slow.
"""

import functools
import importlib
import json
import os
import re
import shutil
import subprocess
import sys
from importlib.machinery import ModuleSpec
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
from click.testing import CliRunner
from tito_shell import tito

from tinytorch import Tensor
from tinytorch.core.milestones import digits, m1958, m1969, m1986, machine, plots, sources
from tinytorch.core.milestones.plots import curve, plane
from tinytorch.core.milestones.provenance import provenance, sentence
from tinytorch.core.milestones.result import Curve, Gate, Result, thinned
from tinytorch.core.milestones.settings import SettingError, changed, settings
from tinytorch.core.tier import TIER
from tinytorch.datasets import XOR, Blobs, DownloadError, DrawnDigits, available
from tinytorch.tito import main
from tinytorch.tito.app import tito as app
from tinytorch.tito.threads import VARIABLES

RUNS = {"1958": m1958.run, "1969": m1969.run, "1986": m1986.run}


def mnist_is_here() -> bool:
    return bool(os.environ.get("TINYTORCH_DATA")) and available("mnist")


drawn_once = functools.cache(DrawnDigits)

needs_mnist = pytest.mark.skipif(
    not mnist_is_here(), reason="MNIST: TINYTORCH_DATA does not name a folder that holds it"
)


@pytest.fixture(autouse=True)
def _draw_digits_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same digits for every test: drawing them takes longer than most of what is tested."""
    monkeypatch.setattr(digits, "DrawnDigits", drawn_once)


@pytest.fixture
def without_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No data set on this machine, and a network that refuses."""

    def refuse(name: str, progress: object) -> None:
        raise DownloadError(f"{name} could not be downloaded:\n  details")

    monkeypatch.delenv("TINYTORCH_DATA", raising=False)
    monkeypatch.setenv("TINYTORCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(sources, "fetch", refuse)


# 1958
def test_the_perceptron_learns_every_separable_problem_within_novikoffs_bound() -> None:
    for seed in range(30):
        problem = Blobs(seed=seed)
        lesson = m1958.learn(problem, passes=1000)
        assert lesson.accuracy == 1
        assert lesson.mistakes[-1] == 0
        assert sum(lesson.mistakes) <= m1958.corrections_allowed(problem)


def test_the_perceptron_changes_only_when_it_is_wrong_and_then_towards_the_point() -> None:
    perceptron = m1958.Perceptron()
    point = Tensor([[2.0, -3.0]])
    assert not perceptron.correct(point, wanted=False)
    assert perceptron.state() == (0, 0, 0)
    assert perceptron.correct(point, wanted=True)
    assert perceptron.state() == (2, -3, 1)
    assert not perceptron.correct(point, wanted=True)
    assert perceptron.correct(point, wanted=False)
    assert perceptron.state() == (0, 0, 0)


def test_the_perceptron_never_solves_xor_because_its_weights_come_back() -> None:
    lesson = m1958.learn(XOR(), passes=1000)
    assert lesson.best <= 0.75
    assert lesson.repeats is not None
    assert lesson.repeats < len(lesson.mistakes) < 1000


def test_1958_passes_and_the_book_may_call_it_1957(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["milestone", "run", "1957", "--recipe", "quick"]) == 0
    assert "1958 · The perceptron learns" in capsys.readouterr().out


# 1969
def test_a_hidden_layer_solves_xor_from_each_of_20_seeds_and_no_single_layer_does() -> None:
    result = m1969.run(recipe="quick", show=False)
    assert result.passed
    solved = result.numbers["solved by hidden units"]
    assert solved["0"] == 0
    assert 0 < solved["2"] < 20  # the smallest hidden layer depends on luck, as told
    assert solved["8"] == 20


@pytest.mark.slow
@pytest.mark.parametrize("first", [0, 100, 12345])
def test_a_hidden_layer_solves_xor_from_each_of_100_seeds(first: int) -> None:
    result = m1969.run(seed=first, changes={"few": 3}, show=False)
    assert result.passed
    assert result.numbers["solved by hidden units"]["8"] == 100


def test_solved_means_that_all_four_answers_are_right() -> None:
    model = m1969.network(8, np.random.default_rng(0))
    assert not m1969.solved(model)
    m1969.learn(model, steps=200, lr=0.1)
    assert m1969.solved(model)
    assert (m1969.answers(model) > 0.5).tolist() == [False, True, True, False]


# 1986
def test_1986_reads_drawn_digits_and_says_that_they_are_drawn(
    capsys: pytest.CaptureFixture[str],
) -> None:
    result = m1986.run(recipe="quick", data="drawn")
    shown = " ".join(capsys.readouterr().out.split())
    assert result.passed
    assert result.numbers["test accuracy"] >= 0.90
    assert result.data == {
        "name": "drawn digits",
        "where": "made by code, not MNIST",
        "training": 10_000,
        "test": 2_000,
    }
    assert "Data: drawn digits (made by code, not MNIST), 10,000 training, 2,000 test" in shown
    assert "test accuracy on drawn digits" in shown
    assert "test accuracy on MNIST" not in shown


def test_a_seed_gives_the_same_run_again_and_another_seed_another() -> None:
    short = {"recipe": "quick", "data": "drawn", "changes": {"epochs": 1}, "show": False}
    first, again, other = (m1986.run(seed=seed, **short) for seed in (3, 3, 4))
    assert first.curves == again.curves
    assert first.numbers == again.numbers
    assert first.curves != other.curves


@needs_mnist
def test_the_quick_recipe_reads_95_percent_of_mnist() -> None:
    result = m1986.run(recipe="quick", data="mnist", show=False)
    assert result.passed
    assert result.numbers["test accuracy"] >= 0.95
    assert result.data["name"] == "MNIST"


@needs_mnist
@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_the_full_recipe_reads_98_percent_of_mnist(seed: int) -> None:
    result = m1986.run(seed=seed, data="mnist", show=False)
    assert result.numbers["test accuracy"] >= 0.98


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_the_full_recipe_reaches_the_goal_on_drawn_digits(seed: int) -> None:
    result = m1986.run(seed=seed, data="drawn", show=False)
    assert all(gate.passed for gate in result.gates)


# Gates
@pytest.mark.parametrize(
    ("year", "changes", "missed"),
    [
        ("1958", {"passes": "1"}, "problems learned to 100 %"),
        ("1969", {"steps": "5", "seeds": "3"}, "starts solved with 8 hidden units"),
        ("1986", {"optimizer.lr": "1e-6", "epochs": "2"}, "test accuracy on drawn digits"),
    ],
)
def test_a_milestone_that_misses_its_gate_exits_with_1_and_says_by_how_much(
    year: str, changes: dict[str, str], missed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    data = ["--data", "drawn"] if year == "1986" else []
    pairs = [word for name, value in changes.items() for word in ("--set", f"{name}={value}")]
    assert main(["milestone", "run", year, *data, *pairs]) == 1
    shown = capsys.readouterr().out
    assert "missed by " in shown
    assert f"Gate missed: {missed} is " in " ".join(shown.split())
    assert f"Milestone {year} NOT passed" in shown


def test_a_goal_may_be_missed_without_failing() -> None:
    result = blank()
    assert not result.passed  # no gate, nothing proven
    result.gates.append(Gate("accuracy", 0.96, 0.95, percent=True))
    result.gates.append(Gate("accuracy", 0.96, 0.98, percent=True, goal=True))
    assert result.passed
    assert result.gates[1].verdict == "missed by 2 points"
    result.gates.append(Gate("errors", 4, 3, at_most=True))
    assert not result.passed
    assert result.gates[2].verdict == "missed by 1"


def test_a_value_that_is_no_number_passes_no_gate() -> None:
    assert not Gate("accuracy", float("nan"), 0.5).passed
    assert not Gate("errors", float("nan"), 0.5, at_most=True).passed


# Data
def test_without_data_and_network_drawn_digits_serve_and_it_is_said(
    without_data: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["milestone", "run", "1986", "--recipe", "quick"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    fetching = shown.index("Fetching mnist: 4 files, 11.6 MB, from ossci-datasets")
    failed = shown.index("could not be downloaded. Drawn digits take MNIST's place.")
    used = shown.index("Data: drawn digits (made by code, not MNIST)")
    assert fetching < failed < used


def test_a_data_folder_without_mnist_is_named_before_drawn_digits_serve(
    without_data: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("TINYTORCH_DATA", str(tmp_path))
    assert main(["milestone", "run", "1986", "--recipe", "quick"]) == 0
    shown = " ".join(capsys.readouterr().out.split())  # lines are broken anywhere
    told = shown.index(f"TINYTORCH_DATA is {tmp_path}, which lacks all 4 files of mnist: train-im")
    assert told < shown.index("Data: drawn digits")


def test_whoever_insists_on_mnist_gets_an_error_and_no_drawn_digits(
    without_data: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["milestone", "run", "1986", "--data", "mnist"]) == 1
    captured = capsys.readouterr()
    assert captured.err.startswith("tito: mnist could not be downloaded")
    assert "Data:" not in captured.out


def test_whoever_asks_for_drawn_digits_causes_no_download(
    without_data: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["milestone", "run", "1986", "--data", "drawn", "--recipe", "quick"]) == 0
    assert "Fetching" not in capsys.readouterr().out


def test_a_misspelt_data_folder_is_an_error_and_not_a_reason_for_drawn_digits(
    tmp_path: Path,
) -> None:
    done = tito("milestone", "run", "1986", cwd=tmp_path, TINYTORCH_DATA=str(tmp_path / "gone"))
    assert done.returncode == 1
    assert done.stderr.startswith("tito: TINYTORCH_DATA names ")
    assert "drawn" not in done.stdout


def test_the_machine_says_how_many_threads_were_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    assert machine.machine().endswith(", the library's number of threads for matrix products")
    monkeypatch.setenv("MKL_NUM_THREADS", "2")
    assert machine.machine().endswith(", 2 threads for matrix products")


def test_the_commit_is_known_in_a_checkout_and_of_no_other_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b.c"]
    if shutil.which("git") is None:
        pytest.skip("there is no git")
    file = tmp_path / "machine.py"
    file.write_text("")
    monkeypatch.setattr(machine, "__file__", str(file))
    monkeypatch.setattr(machine, "distribution", Mock(side_effect=PackageNotFoundError))
    assert machine.commit() is None
    subprocess.run([*git, "init", "-q"], check=True)
    assert machine.commit() is None  # a checkout around an installed package is not ours
    subprocess.run([*git, "add", "machine.py"], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "x", "--no-gpg-sign"], check=True)
    known = machine.commit()
    assert re.fullmatch("[0-9a-f]{7,}", known or "")
    file.write_text("changed = True")
    assert machine.commit() == f"{known}-dirty"


def test_the_commit_is_known_of_what_pip_installed_from_a_repository(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said = {"url": "https://example.org", "vcs_info": {"vcs": "git", "commit_id": "0123456789ab"}}
    monkeypatch.setattr(machine, "_asked", lambda *command: None)
    text = Mock(return_value=json.dumps(said))
    monkeypatch.setattr(machine, "distribution", lambda name: Mock(read_text=text))
    assert machine.commit() == "0123456"
    text.return_value = None
    assert machine.commit() is None


# The command line
def test_json_is_all_of_standard_output_and_holds_the_record(tmp_path: Path) -> None:
    done = tito("milestone", "run", "1986", "--recipe", "quick", "--json", cwd=tmp_path)
    record = json.loads(done.stdout)
    assert record["passed"] is True
    assert record["milestone"] == "1986"
    assert record["data"]["name"] == "drawn digits"
    assert record["versions"]["tinytorch-core"]
    assert record["modules"] == {f"{i:02}": "reference" for i in range(1, 9)}
    assert record["gates"][0]["value"] == record["numbers"]["test accuracy"]
    assert record["gates"][0]["passed"] is True
    assert [goal["goal"] for goal in record["goals"]] == [True]
    assert record["seconds"] > 0
    assert record["seconds_before"] == 0
    assert re.fullmatch(
        r"\S+ (\(.+\), )?\d+ cores?, 1 thread for matrix products", record["machine"]
    )
    assert "Fetching mnist" in done.stderr  # said even here
    assert list(tmp_path.iterdir()) == [tmp_path / "cache"]  # nothing written unasked


def test_the_recorded_command_makes_the_same_run_again(
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ["--recipe", "quick", "--seed", "7", "--set", "hidden=32,16", "--epochs", "1"]
    main(["milestone", "run", "1986", "--data", "drawn", *arguments, "--json"])
    first = json.loads(capsys.readouterr().out)
    assert first["settings"] == {
        "hidden": [32, 16],
        "epochs": 1,
        "batch": 128,
        "optimizer.lr": 0.004,
    }
    assert "--data drawn" in first["command"]
    main([*first["command"].split()[1:], "--json"])
    again = json.loads(capsys.readouterr().out)
    assert {**again, "seconds": 0} == {**first, "seconds": 0}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["1999"], "1958 (1957, perceptron), 1969 (xor), 1986 (backpropagation)"),
        (["backprop"], "Did you mean backpropagation?"),
        (["1986", "--recipe", "slow"], "--recipe slow: choose quick or full"),
        (["1986", "--data", "cifar"], "--data cifar: choose mnist or drawn"),
        (["1969", "--data", "mnist"], "--data mnist: this milestone makes its own data"),
        (["1986", "--set", "lr=1"], "no setting is called 'lr'; there are hidden, epochs, batch"),
        (["1986", "--set", "epochs"], "write KEY=VALUE"),
        (["1986", "--set", "epochs=many"], "epochs=many: expected a whole number"),
        (["1986", "--set", "epochs=0"], "it must be above zero"),
        (["1986", "--set", "optimizer.lr=nan"], "it must be above zero"),
        (["1986", "--epochs", "0"], "--epochs"),
        (["1986", "--seed", "-1"], "--seed"),
        (["1958", "--epochs", "3"], "no setting is called 'epochs'"),
    ],
)
def test_wrong_usage_exits_with_2_and_names_what_is_right(arguments: list[str], told: str) -> None:
    result = CliRunner().invoke(app, ["milestone", "run", *arguments])
    assert result.exit_code == 2
    assert told in " ".join(result.output.split())


@pytest.mark.parametrize("name", ["1986", "backpropagation", "Backpropagation"])
def test_a_milestone_is_found_by_year_and_by_name(name: str, without_data: None) -> None:
    short = ["--data", "drawn", "--set", "optimizer.lr=1e-6", "--epochs", "1"]
    assert main(["milestone", "run", name, *short]) == 1


def test_the_list_shows_every_milestone_with_its_gate(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["milestone", "list", "--json"]) == 0
    listed = {entry["year"]: entry for entry in json.loads(capsys.readouterr().out)}
    assert set(RUNS) <= set(listed)
    assert main(["milestone", "list"]) == 0
    shown = capsys.readouterr().out
    assert all(entry["gate"] in shown for entry in listed.values())


# What is kept
def test_out_keeps_the_record_and_the_curves(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="matplotlib: the extra 'plots' is not installed")
    short = {"data": "drawn", "changes": {"epochs": 2}, "show": False}
    result = m1986.run(out=tmp_path / "new" / "folder", **short)
    folder = tmp_path / "new" / "folder"
    assert json.loads((folder / "result.json").read_text("utf-8")) == result.record()
    assert (folder / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert {path.name for path in folder.iterdir()} == {"result.json", "curves.png"}


def test_without_matplotlib_the_record_is_kept_and_the_missing_picture_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    monkeypatch.setitem(sys.modules, "matplotlib.backends.backend_agg", None)
    m1969.run(recipe="quick", changes={"seeds": 2}, out=tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"result.json"}
    assert "matplotlib is not installed" in capsys.readouterr().out


def test_a_record_is_written_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blank().save(tmp_path)
    before = (tmp_path / "result.json").read_bytes()

    def full_disk(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full_disk)
    with pytest.raises(OSError, match="No space"):
        blank().save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["result.json"]
    assert (tmp_path / "result.json").read_bytes() == before


def test_a_record_is_json_even_where_a_number_is_none() -> None:
    result = blank()
    result.numbers["loss"] = float("inf")
    result.curves.append(Curve("loss", [1.0, float("nan")], 2))
    record = json.loads(json.dumps(result.record(), allow_nan=False))
    assert record["numbers"]["loss"] is None
    assert record["curves"][0]["values"] == [1.0, None]


# The frame
def test_every_milestone_of_the_tier_can_be_run_and_uses_modules_of_the_tier() -> None:
    numbers = {module.number for module in TIER.modules}
    for entry in TIER.milestones:
        assert importlib.import_module(entry.module).run is RUNS[entry.year]
        assert set(entry.uses) <= numbers


def test_quiet_runs_print_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    m1958.run(recipe="quick", show=False)
    captured = capsys.readouterr()
    assert captured.out + captured.err == ""


def test_each_run_tells_its_history_its_source_and_whose_modules_are_at_work(
    capsys: pytest.CaptureFixture[str],
) -> None:
    m1958.run(recipe="quick")
    shown = " ".join(capsys.readouterr().out.split())
    assert "F. Rosenblatt, The perceptron" in shown
    assert "At work: 0 of 2 modules are yours, all are from the reference." in shown


def test_a_module_from_a_workspace_counts_as_the_students(monkeypatch: pytest.MonkeyPatch) -> None:
    class Loader:
        is_workspace = True

    def find(name: str) -> ModuleSpec:
        loader = Loader() if name == "tinytorch.core.layers" else None
        return ModuleSpec(name, loader)  # type: ignore[arg-type]

    monkeypatch.setattr("tinytorch.core.milestones.provenance.find_spec", find)
    own = provenance(["01", "03", "06"])
    assert own == {"01": False, "03": True, "06": False}
    assert sentence(own) == "1 of 3 modules are yours (03), the rest from the reference"
    result = m1958.run(recipe="quick", show=False)
    assert result.modules == {"01": "reference", "03": "yours"}


def test_settings_have_dotted_names_and_keep_their_types() -> None:
    recipe = m1986.Recipe()
    assert set(settings(recipe)) == {"hidden", "epochs", "batch", "optimizer.lr"}
    new = changed(recipe, {"optimizer.lr": "1e-2", "hidden": "(32, 16)", "epochs": 3})
    assert new == m1986.Recipe((32, 16), 3, 128, m1986.OptimizerSettings(0.01))
    assert recipe == m1986.Recipe()
    with pytest.raises(SettingError, match="whole number"):
        changed(recipe, {"epochs": 2.5})


def test_a_curve_goes_from_its_first_value_to_its_last_in_the_width_it_is_given() -> None:
    rows = curve([100.0 * 0.5**i for i in range(1000)], 40, log=True)
    assert max(map(len, rows)) <= 40
    assert rows[0].rpartition("┤")[2].startswith("•")
    assert rows[7].rstrip().endswith("•")
    assert curve([float("nan")], 40) == ["(no finite value to plot)"]
    assert any("•" in row for row in curve([1.0], 40))


def test_thinning_keeps_the_mean() -> None:
    values = [float(i) for i in range(1000)]
    thin = thinned(values, 8)
    assert len(thin) == 8
    assert sum(thin) / 8 == pytest.approx(499.5)
    assert thinned([1, 2], 8) == [1.0, 2.0]


def test_points_and_line_stand_where_they_are() -> None:
    points = [(0.0, 0.0, "o"), (1.0, 1.0, "+")]
    rows = plane(points, (1.0, 1.0, -1.0), columns=11, rows=5)  # x + y = 1
    assert rows[0].endswith("+")
    assert rows[-1].startswith("o")
    assert rows[2][5] == "·"


def blank() -> Result:
    """A result of nothing yet."""
    return Result(
        milestone="1900",
        title="a test",
        command="",
        recipe="full",
        settings={},
        seed=0,
        modules={},
        versions={},
    )


@pytest.mark.parametrize("typed", ["1986", "1957", "XOR"])
def test_a_milestone_without_run_names_the_command_that_runs_it(typed, capsys):
    assert main(["milestone", typed]) == 2
    assert f"tito milestone run {typed}" in capsys.readouterr().err


def test_a_misspelt_command_of_the_group_is_still_one(capsys):
    assert main(["milestone", "rnu"]) == 2
    assert "milestone, not a command" not in capsys.readouterr().err


def test_a_curve_that_begins_later_says_so() -> None:
    rows = curve([float(i) for i in range(1000)], 40, first=501)
    assert rows[-1].split() == ["501", "1,500"]
    assert curve([1.0, 2.0], 40, first=501)[-1] == ""  # no room for both


def test_the_picture_of_curves_counts_whole_steps_from_where_they_begin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    figure = pytest.importorskip("matplotlib.figure")
    drawn: list[Any] = []
    save = figure.Figure.savefig

    def kept(self: Any, *where: Any, **how: Any) -> None:
        drawn.append(self)
        save(self, *where, **how)

    monkeypatch.setattr(figure.Figure, "savefig", kept)
    one = [Curve("accuracy", [0.9], 1, "epoch"), Curve("loss", [2.0, 1.0], 200, first=301)]
    plots.save_png(tmp_path / "curves.png", "a title that is far too long " * 4, one)
    epochs, steps = drawn[0].axes
    assert list(epochs.get_lines()[0].get_xdata()) == [1.0]
    assert [tick for tick in epochs.get_xticks() if tick != int(tick)] == []
    assert list(steps.get_lines()[0].get_xdata()) == [350.5, 450.5]
    assert max(map(len, drawn[0].get_suptitle().splitlines())) < 60


def test_a_folder_with_the_files_of_another_run_is_not_overwritten_without_a_word(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    m1958.run(out=tmp_path)
    m1958.run(out=tmp_path)
    assert "another run" not in capsys.readouterr().out
    m1958.run(out=tmp_path, seed=1)
    said = " ".join(capsys.readouterr().out.split())
    assert (
        "holds the files of another run, which this one replaces: tito milestone run 1958" in said
    )
