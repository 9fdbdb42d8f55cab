"""`tito bench`: what is typed, what comes, and what is refused before anything is measured.

Left out: whether the numbers are right (test_benchmarking, test_scenarios and others).
"""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result
from shell import runner

from tinytorch import save
from tinytorch.arch.trained import trained
from tinytorch.core.training import evaluate
from tinytorch.data import DataLoader
from tinytorch.datasets import available
from tinytorch.datasets.drawn import DrawnDigits
from tinytorch.nn import CrossEntropyLoss
from tinytorch.opt import bench_models, energy, environment
from tinytorch.opt.bench_command import bench, show, show_scenario
from tinytorch.opt.bench_models import Against, Measured, candidate
from tinytorch.opt.benchmarking import Benchmark, Comparison
from tinytorch.opt.energy import Energy
from tinytorch.opt.scenarios import Score, Trial
from tinytorch.tito.screen import Screen

OWN = """
from tinytorch.nn import Linear, Module

class Net(Module):
    def __init__(self):
        self.hidden = Linear(6, 4)

    def forward(self, x):
        return self.hidden(x)
"""


@pytest.fixture(autouse=True)
def no_meter(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that counts energy would be asked for a second in each test."""
    monkeypatch.setattr(energy, "find_meter", lambda: "no meter")


def run(*words: str) -> Result:
    quick = [] if "--repeats" in words else ["--repeats", "5", "--seconds", "0"]
    return runner().invoke(bench, [*words, *quick])


def as_json(*words: str) -> dict[str, Any]:
    result = run(*words, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_a_row_says_how_fast_and_how_large_a_model_is() -> None:
    result = run("lenet5")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    header = next(i for i, line in enumerate(lines) if line.startswith("model "))
    for word in ("p50", "95 % interval", "p90", "p99", "weights", "peak memory"):
        assert word in lines[header]
    assert lines[header + 1].startswith("lenet5")
    assert "246.8 kB" in lines[header + 1]
    assert "accuracy" not in lines[header]
    assert "samples after" in result.stdout
    assert f"NumPy {np.__version__}" in result.stdout


def test_json_holds_every_single_time_and_the_machine() -> None:
    content = as_json("lenet5", "--repeats", "9", "--seconds", "0", "--batch", "3", "--samples")
    (model,) = content["models"]
    assert model["parameters"] == 61_706
    assert model["weight_bytes"] == 246_824  # as arch's tests say of the file
    assert model["input"] == [3, 1, 28, 28]
    assert model["accuracy"] is None
    seconds = model["seconds"]
    assert len(seconds["wall"]) == len(seconds["cpu"]) == 9
    assert seconds["interval"][0] <= seconds["median"] <= seconds["interval"][1]
    assert seconds["median"] == pytest.approx(np.median(seconds["wall"]))
    assert seconds["p99"] == max(seconds["wall"])
    assert content["environment"]["numpy"] == np.__version__
    assert model["energy"]["joules"] is None
    assert model["energy"]["text"] == "not measured: no meter"
    assert model["peak_bytes"] > 0


def test_a_result_is_written_whole(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_text("old")
    result = run("lenet5", "--out", str(path))
    assert result.exit_code == 0, result.output
    assert json.loads(path.read_text())["models"][0]["name"] == "lenet5"
    assert [each.name for each in tmp_path.iterdir()] == ["result.json"]


def test_models_are_compared_with_one_in_pairs() -> None:
    content = as_json("lenet5", "digitvit", "--against", "lenet5", "--samples")
    assert [model["name"] for model in content["models"]] == ["lenet5", "digitvit"]
    (pair,) = content["comparisons"]
    assert (pair["old"], pair["new"]) == ("lenet5", "digitvit")
    assert len(pair["ratios"]) == 5
    assert pair["ratio"] == pytest.approx(np.median(pair["ratios"]))
    text = run("digitvit", "--against", "lenet5").stdout
    assert "digitvit against lenet5: " in text


@pytest.mark.parametrize("words", [["lenet5"], ["lenet5", "lenet5"]])
def test_a_model_against_itself_is_measured_and_compared(words: list[str]) -> None:
    content = as_json(*words, "--against", "lenet5")
    assert [model["name"] for model in content["models"]] == ["lenet5", "lenet5 (2)"]
    (pair,) = content["comparisons"]
    assert (pair["old"], pair["new"]) == ("lenet5", "lenet5 (2)")
    assert pair["pairs"] == 5
    assert 0.1 < pair["ratio"] < 10


def test_a_model_given_twice_is_measured_twice() -> None:
    names = [model["name"] for model in as_json("lenet5", "lenet5", "lenet5")["models"]]
    assert names == ["lenet5", "lenet5 (2)", "lenet5 (3)"]


def test_json_holds_single_times_only_where_they_are_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    words = ["lenet5", "--against", "lenet5", "--out", str(path)]
    content = as_json(*words)
    seconds = content["models"][0]["seconds"]
    assert not {"wall", "cpu", "outliers"} & set(seconds)
    assert seconds["samples"] == 5
    assert "ratios" not in content["comparisons"][0]
    assert len(json.dumps(content, indent=1).splitlines()) < 200
    written = json.loads(path.read_text())  # a file has all
    assert len(written["models"][0]["seconds"]["wall"]) == 5
    assert len(written["comparisons"][0]["ratios"]) == 5


def test_too_few_samples_are_said_to_be_too_few() -> None:
    text = " ".join(run("lenet5", "--repeats", "2", "--seconds", "0").stdout.split())
    assert "2 samples are too few for p99 (100), p90 (10) and an interval of 95 % (6)" in text
    assert "Intervals are within this run" in text
    assert as_json("lenet5")["models"][0]["seconds"]["too_few"].startswith("5 samples are")
    many = run("lenet5", "--repeats", "100", "--seconds", "0").stdout
    assert "too few" not in many


def test_what_is_timed_is_the_model_on_its_whole_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, ...]] = []

    def fake_benchmark(fn: Any, x: Any, **how: Any) -> Benchmark:
        seen.append(fn(x).shape)
        return measured().latency

    def fake_compare(old: Any, new: Any, **how: Any) -> Comparison:
        seen.extend([old().shape, new().shape])
        return Comparison((1.0,), (1.0, 1.0), 1.0)

    monkeypatch.setattr(bench_models, "benchmark", fake_benchmark)
    monkeypatch.setattr(bench_models, "compare", fake_compare)
    as_json("mobilenetv1", "dscnn", "--against", "dscnn", "--batch", "3")
    # DS-CNN has 12 classes, MobileNet 2; the one compared with is the old one
    assert seen == [(3, 12), (3, 2), (3, 12), (3, 2)]


@pytest.mark.parametrize(("words", "at_once"), [([], 1), (["--batch", "4"], 4)])
def test_a_server_is_given_its_bound_and_batch(
    words: list[str], at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, Any] = {}

    def fake(answer: Any, samples: Any, **how: Any) -> Score:
        given.update(how, samples=len(samples))
        return Score("Server", "queries a second with p99 below 50 ms", 1.0, 1, 1, 1.0, 0)

    monkeypatch.setattr(bench_models.scenarios, "server", fake)
    result = run("lenet5", "--scenario", "server", "--bound", "50", "--data", "drawn", *words)
    assert result.exit_code == 0, result.output
    assert given["bound"] == pytest.approx(0.05)
    assert given["max_batch"] == at_once
    assert given["samples"] == 1000
    settings = as_json("lenet5", "--scenario", "server", "--bound", "50", *words)["settings"]
    assert (settings["scenario"], settings["bound_ms"]) == ("server", 50)


def test_a_difference_that_many_comparisons_may_show_by_chance_is_not_called_one() -> None:
    found = Comparison((1.1,) * 9 + (0.9,), (1.05, 1.1), 0.02)
    assert Against("a", "b", found, 0.02).verdict.startswith("faster by 1.10x")
    assert Against("a", "b", found, 0.06).verdict == (
        "no difference shown: p = 0.06 among all comparisons made here"
    )


def test_a_model_of_a_file_is_measured(tmp_path: Path) -> None:
    path = tmp_path / "my_model.py"
    path.write_text(OWN)
    (model,) = as_json(f"{path}:Net", "--input", "6")["models"]
    assert model["class"] == "Net"
    assert model["weight_bytes"] == 4 * (6 * 4 + 4)
    assert model["untrained"]


@pytest.mark.parametrize(
    ("made", "untrained"),
    [
        ("Linear(6, 4)", True),
        ("Linear(6, 4, rng=np.random.default_rng(0))", False),  # its own business, and always so
    ],
)
def test_weights_that_a_file_draws_anew_are_called_random(
    tmp_path: Path, made: str, untrained: bool
) -> None:
    path = tmp_path / "my_model.py"
    path.write_text("import numpy as np\n" + OWN.replace("Linear(6, 4)", made))
    name = f"{path}:Net"
    assert candidate(name, (6,), 1, None).untrained is untrained
    said = "weights drawn at random" in run(name, "--input", "6").stdout
    assert said is untrained
    weights = tmp_path / "w.safetensors"
    save(candidate(name, (6,), 1, None).model.state_dict(), weights)
    assert not candidate(f"{name}@{weights}", (6,), 1, None).untrained


def test_accuracy_is_that_of_the_trainers_own_evaluation() -> None:
    data = DrawnDigits("test", 1000)
    loader = DataLoader(data, batch_size=50)
    expected = evaluate(trained("lenet5"), CrossEntropyLoss(), loader)["accuracy"]
    content = as_json("lenet5", "digitvit", "--data", "drawn")
    lenet, vit = content["models"]
    assert lenet["accuracy"] == pytest.approx(expected)
    assert lenet["accuracy"] > 0.5
    assert vit["untrained"]
    assert content["pareto_front"] is None  # there is but one accuracy that means something
    text = run("lenet5", "digitvit", "--data", "drawn").stdout
    assert f"{100 * expected:.2f} %" in text
    assert "weights drawn at random" in text
    assert "Pareto" not in text


def test_trained_models_are_put_on_a_pareto_front(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    state = trained("lenet5").state_dict()
    save({name: 0 * array for name, array in state.items()}, path)
    text = " ".join(run("lenet5", f"lenet5@{path}", "--data", "drawn").stdout.split())
    assert "On the Pareto front of accuracy, bytes, median: lenet5" in text
    assert "lenet5@w.safetensors" in text
    assert str(tmp_path) not in text


def test_two_files_of_one_name_keep_their_folders(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "m.py").write_text(OWN)
    names = [f"{tmp_path / folder / 'm.py'}:Net" for folder in ("a", "b")]
    content = as_json(*names, "--input", "6")
    assert [model["name"] for model in content["models"]] == names
    assert as_json(names[0], "--input", "6")["models"][0]["name"] == "m.py:Net"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("return self.hidden(x)", "return self.hiden(x)", "my_model.py, line 9: AttributeError"),
        ("Linear(6, 4)", "Linear(6, 0)", "my_model.py, line 6: ValueError"),
        ("class Net(Module):", "class Net(Module)", "my_model.py, line 4: SyntaxError"),
        ("import Linear", "import Liner", "my_model.py, line 2: "),
    ],
)
def test_an_error_in_the_users_file_names_the_line(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    path = tmp_path / "my_model.py"
    path.write_text(OWN.replace(old, new))
    result = run(f"{path}:Net", "--input", "6")
    assert result.exit_code == 2
    assert said in result.stderr


@pytest.mark.skipif(
    not (os.environ.get("TINYTORCH_DATA") and available("mnist")),
    reason="MNIST: TINYTORCH_DATA names no folder that holds it",
)
def test_lenet_reads_mnist_as_well_as_its_facts_say() -> None:
    from tinytorch.arch.trained import facts_of

    model = candidate("lenet5", None, 1, bench_models.DATA["mnist"]())
    assert model.accuracy() == pytest.approx(float(facts_of("lenet5")["test accuracy"]), abs=2e-4)


@pytest.mark.parametrize(
    ("scenario", "metric"),
    [("single-stream", "p90 latency"), ("multi-stream", "p99 latency"), ("offline", "samples a")],
)
def test_a_scenario_asks_in_its_own_way(scenario: str, metric: str) -> None:
    content = as_json("lenet5", "--scenario", scenario, "--data", "drawn")
    (model,) = content["models"]
    assert model["metric"].startswith(metric)
    assert model["style"] == "MLPerf-style, unofficial"
    assert model["accuracy"] > 0.5
    text = run("lenet5", "--scenario", scenario).stdout
    assert "MLPerf-style, unofficial" in text
    assert metric in text


SCORE = Score("Offline", "samples a second", 7032.4, 1, 960, 1.0, 0, (6990.2, 11_764.2))


def test_a_scenario_shows_interval_processor_and_batch(
    capsys: pytest.CaptureFixture[str],
) -> None:
    one = candidate("lenet5", None, 1, None)
    show_scenario(Screen(), [one], [replace(SCORE, at_once=32, cpu_share=0.5)], [None])
    text = " ".join(capsys.readouterr().out.split())
    assert "7,032 6,990 to 11,760 960 0.50" in text
    assert "lenet5: 32 at a time, as --batch says." in text
    assert "lenet5 had the processor for 50 % of the time only" in text
    assert "Intervals are within this run" in text
    show_scenario(Screen(), [one], [replace(SCORE, cpu_share=0.99)], [None])
    assert "had the processor" not in capsys.readouterr().out


def test_a_servers_rate_stands_between_one_that_held_and_one_that_did_not(
    capsys: pytest.CaptureFixture[str],
) -> None:
    trials = tuple(Trial(rate, 0.1, rate < 7100) for rate in (7032.4, 14_000.0, 7300.0))
    score = replace(SCORE, scenario="Server", interval=None, trials=trials, at_once=4)
    show_scenario(Screen(), [candidate("lenet5", None, 1, None)], [score], [None])
    text = " ".join(capsys.readouterr().out.split())
    assert "7,032 a second held and 7,300 did not" in text
    assert "4 at a time at most, as --batch says" in text
    assert "interval 9" not in text


def test_a_server_is_searched_for_its_rate() -> None:
    (model,) = as_json("lenet5", "--scenario", "server", "--bound", "5", "--batch", "4")["models"]
    assert model["metric"] == "queries a second with p99 below 5 ms"
    assert model["trials"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["lenet"], "Did you mean lenet5?"),
        (["lenet5", "--against", "lenet"], "Did you mean lenet5?"),
        (["lenet5", "--input", "a"], "'a' is no shape"),
        (["lenet5", "--input", "3,28,28"], "lenet5 cannot read a batch of shape (1, 3, 28, 28)"),
        (["resnet8", "--data", "drawn"], "images of DrawnDigits are (1, 28, 28)"),
        (["lenet5", "--scenario", "offline", "--against", "lenet5"], "leave --scenario out"),
        (["lenet5", "--scenario", "multi-stream", "--batch", "2"], "asks 8 at a time"),
        (["lenet5", "--out", "nowhere/r.json"], "there is no folder nowhere"),
        (["lenet5", "--kernels", "slow"], "slow"),
        (["lenet5", "--samples"], "--samples is about --json"),
        ([], "Missing argument"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_measured(
    words: list[str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("measured")

    for name in ("measured", "compared", "run_scenario"):
        monkeypatch.setattr(bench_models, name, never)
    result = run(*words)
    assert result.exit_code == 2, result.output
    assert said in " ".join(result.stderr.split())


def test_a_busy_machine_is_warned_of_also_where_json_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    busy = replace(environment.environment(), load=5.0, cores=2)
    monkeypatch.setattr(environment, "environment", lambda: busy)
    assert "Careful: the machine is busy" in run("lenet5").stdout
    result = run("lenet5", "--json")
    assert json.loads(result.stdout)["environment"]["busy"]
    assert "Careful: the machine is busy" in result.stderr


def measured(**changes: Any) -> Measured:
    found = Benchmark((1e-3,) * 9 + (9e-3,), (1e-3,) * 10, 1, 10, True, (1e-3, 1e-3))
    one = candidate("lenet5", None, 1, None)
    return Measured(one, replace(found, **changes), 1000, None, Energy(None, reason="no meter"))


def test_a_model_that_waited_for_other_programs_is_told_so(
    capsys: pytest.CaptureFixture[str],
) -> None:
    show(Screen(), [measured()], [])  # 10 ms of 18 ms
    assert "had the processor for 56 % of the time only" in " ".join(
        capsys.readouterr().out.split()
    )
    show(Screen(), [measured(cpu=(1.8e-3,) * 10)], [])
    text = capsys.readouterr().out
    assert "had the processor" not in text
    assert "1 outlier kept" in text
    assert "Energy: not measured: no meter." in text


def test_a_warm_up_that_did_not_end_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    show(Screen(), [measured(steady=False)], [])
    assert "was still getting faster" in capsys.readouterr().out


def test_energy_has_a_column_where_it_was_measured(capsys: pytest.CaptureFixture[str]) -> None:
    one = replace(measured(), energy=Energy(2.5e-3, 4.0, "RAPL: package-0", 10, 1.0))
    show(Screen(), [one], [])
    text = capsys.readouterr().out
    assert "energy" in text
    assert "2.5 mJ" in text
    assert "not measured" not in text


def test_matrix_products_use_one_thread_unless_more_are_asked_for() -> None:
    program = "from tinytorch.opt.bench_command import bench; bench()"
    words = ["lenet5", "--repeats", "2", "--seconds", "0", "--json"]
    found = []
    for threads in (None, "2"):
        kept = {k: v for k, v in os.environ.items() if not k.endswith("_NUM_THREADS")}
        extra = {"OMP_NUM_THREADS": threads} if threads else {}
        done = subprocess.run(
            [sys.executable, "-c", program, *words],
            env={**kept, **extra},
            capture_output=True,
            text=True,
            check=True,
        )
        found.append(json.loads(done.stdout)["environment"]["thread_variables"]["OMP_NUM_THREADS"])
    assert found == ["1", "2"]
