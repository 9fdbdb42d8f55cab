"""`tito export`: what is typed, what is written and said, and what is refused before it is."""

import builtins
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result
from shell import runner

onnx = pytest.importorskip("onnx", reason="onnx is not installed: the extra [onnx]")
onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: [onnx]")

from tinytorch import save  # noqa: E402
from tinytorch.arch.models import LeNet5  # noqa: E402
from tinytorch.arch.trained import trained  # noqa: E402
from tinytorch.core.losses import CrossEntropyLoss  # noqa: E402
from tinytorch.core.training import evaluate  # noqa: E402
from tinytorch.data import DataLoader  # noqa: E402
from tinytorch.datasets import DrawnDigits, available  # noqa: E402
from tinytorch.opt import exporting_models, profile_command  # noqa: E402
from tinytorch.opt.choosing_models import model_named  # noqa: E402
from tinytorch.opt.export_command import export  # noqa: E402
from tinytorch.opt.run_command import run as run_command  # noqa: E402

OWN = """
import numpy as np
from tinytorch.core.primitive import primitive
from tinytorch.nn import Linear, Module

@primitive(differentiable=False)
def squared_here(x):
    return x * x

class Net(Module):
    def __init__(self):
        self.hidden = Linear(6, 4)

    def forward(self, x):
        return self.hidden(x)

class Odd(Module):
    def forward(self, x):
        return squared_here(x)

class Slip(Module):
    def forward(self, x):
        return x.shpae
"""


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("my_model.py").write_text(OWN)


def run(*words: str) -> Result:
    return runner().invoke(export, [*words])


def as_json(*words: str) -> dict[str, Any]:
    result = run(*words, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def texts_of(path: str) -> dict[str, str]:
    return {entry.key: entry.value for entry in onnx.load(path).metadata_props}


def test_a_model_becomes_a_file_that_says_what_it_is() -> None:
    result = run("lenet5")
    assert result.exit_code == 0, result.output
    said = " ".join(result.stdout.split())
    assert said.startswith("lenet5.onnx: LeNet5 bytes ")
    assert f"bytes {Path('lenet5.onnx').stat().st_size:,} " in said
    assert "opset 17, IR 8 " in said
    assert "input input, float32, batch x 1 x 28 x 28 " in said
    assert "output output, float32, batch x 10 " in said
    assert (
        f"onnx.reference {onnx.__version__}, onnxruntime {onnxruntime.__version__}: the model's "
        "answers at batches 1, 2 and 5"
    ) in said
    assert "accuracy" not in said
    x = DrawnDigits("test", 3).get_batch(range(3))[0]
    got = onnxruntime.InferenceSession("lenet5.onnx").run(None, {"input": x})[0]
    np.testing.assert_allclose(got, trained("lenet5")(x).data, 1e-4, 1e-4)


def test_weights_that_ship_bring_labels_and_preparation_with_them() -> None:
    assert run("lenet5").exit_code == 0
    texts = texts_of("lenet5.onnx")
    assert json.loads(texts["labels"]) == list("0123456789")
    assert json.loads(texts["preprocess"])["mean"] == [0.1307]
    save(LeNet5().state_dict(), "mine.safetensors")
    assert run("lenet5@mine.safetensors", "--out", "mine.onnx").exit_code == 0
    assert "labels" not in texts_of("mine.onnx")  # nobody said what they were trained on


def test_eight_bits_keep_the_accuracy_and_are_said_so() -> None:
    plain = as_json("lenet5", "--data", "drawn")
    small = as_json("lenet5", "--data", "drawn", "--int8")
    assert (plain["path"], small["path"]) == ("lenet5.onnx", "lenet5.int8.onnx")
    assert small["bytes"] < 0.3 * plain["bytes"]
    loader = DataLoader(DrawnDigits("test", 1000), 100)
    expected = evaluate(trained("lenet5"), CrossEntropyLoss(), loader)["accuracy"]
    assert plain["accuracy"] == plain["accuracy_of_model"] == pytest.approx(expected)
    assert small["accuracy_of_float"] == pytest.approx(expected)
    assert plain["accuracy_of_float"] is None
    assert abs(small["accuracy"] - expected) <= 0.005  # half a point
    assert abs(small["accuracy"] - small["accuracy_of_model"]) <= 0.001  # one of a thousand
    assert small["images"] == 1000
    assert (small["int8"], small["activations"]) == (True, "uint8")
    said = " ".join(run("lenet5", "--data", "drawn", "--int8").stdout.split())
    assert f"accuracy {100 * small['accuracy']:.2f} % in onnxruntime" in said
    assert f"{100 * expected:.2f} % in floats (1,000 test images of DrawnDigits)" in said
    assert "as near as rounding allows" in said
    assert texts_of("lenet5.int8.onnx")["labels"] == json.dumps(list("0123456789"))


def test_activations_may_be_those_that_suit_arm() -> None:
    assert as_json("lenet5", "--int8", "--data", "drawn", "--activations", "int8")["int8"]
    constants = [
        onnx.numpy_helper.to_array(node.attribute[0].t).dtype
        for node in onnx.load("lenet5.int8.onnx").graph.node
        if node.op_type == "Constant"
    ]
    assert np.uint8 not in constants


def test_a_model_of_ones_own_needs_typical_inputs_of_ones_own() -> None:
    rng = np.random.default_rng(0)
    np.save("typical.npy", rng.standard_normal((40, 6)))
    found = as_json(
        "my_model.py:Net", "--input", "6", "--int8", "--examples", "typical.npy", "--out", "n.onnx"
    )
    assert found["inputs"] == [{"name": "input", "dtype": "float32", "shape": ["batch", 6]}]
    assert not found["untrained"]
    assert as_json("my_model.py:Net", "--input", "6")["path"] == "net.onnx"


def test_a_transformer_takes_any_length_or_brings_its_cache() -> None:
    found = as_json("chargpt", "--opset", "20")
    assert found["inputs"][0]["shape"] == ["batch", "sequence"]
    assert (found["opset"], found["ir_version"]) == (20, 9)
    cached = as_json("chargpt", "--cache")
    assert [value["name"] for value in cached["inputs"][:2]] == ["tokens", "past_key_0"]
    said = run("chargpt", "--cache").stdout
    assert "and 6 more" in said
    assert "batch x 4 x (sequence + past) x 32" in said
    assert "drawn at random" in said


def test_an_export_may_be_written_again_and_nothing_else_may() -> None:
    assert run("lenet5").exit_code == run("lenet5").exit_code == 0
    Path("precious.onnx").write_bytes(b"precious")
    result = run("lenet5", "--out", "precious.onnx")
    assert result.exit_code == 2
    assert "TinyTorch did not write it" in " ".join(result.stderr.split())
    assert Path("precious.onnx").read_bytes() == b"precious"
    node = onnx.helper.make_node("Identity", ["x"], ["y"])
    values = [onnx.helper.make_tensor_value_info(name, 1, [1]) for name in "xy"]
    graph = onnx.helper.make_graph([node], "g", values[:1], values[1:])
    onnx.save(onnx.helper.make_model(graph, producer_name="somebody"), "theirs.onnx")
    assert run("lenet5", "--out", "theirs.onnx").exit_code == 2
    assert run("lenet5", "--out", "precious.onnx", "--force").exit_code == 0
    assert onnx.load("precious.onnx").producer_name == "tinytorch"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["lenet6"], "Did you mean lenet5?"),
        (["lenet5", "--int8"], "--int8 finds its scales with typical inputs"),
        (["lenet5", "--activations", "int8"], "add --int8"),
        (["lenet5", "--out", "no/such/folder.onnx"], "there is no folder no/such"),
        (["resnet8", "--data", "drawn"], "(3, 32, 32), and images of drawn are (1, 28, 28)"),
        (["lenet5", "--cache"], "--cache is for a transformer"),
        (["lenet5", "--opset", "16"], "16 is not in the range 17<=x<=23"),
        (["my_model.py:Net"], "--input 1,28,28"),
        (["my_model.py:Net", "--input", "5"], "cannot read an example of shape (5,)"),
        (["my_model.py:Slip", "--input", "6"], "my_model.py, line 23: AttributeError"),
        (["lenet5", "--int8", "--examples", "none.npy"], "none.npy cannot be read as .npy"),
        (["lenet5", "--int8", "--examples", "five.npy"], "typical inputs of lenet5 are (N, 1, 28"),
        (["lenet5", "--target", "arduino"], "'onnx', 'raspberry-pi'"),
        (["lenet5", "--target", "raspberry-pi", "--opset", "20"], "chooses for the board"),
        (["chargpt", "--target", "raspberry-pi"], "reads numbers and gives a row of scores"),
        (["lenet5", "--out", "taken"], "taken is a folder"),
        (["lenet5", "--out", "taken", "--target", "raspberry-pi"], "taken is there and is no bund"),
    ],
    ids=lambda v: " ".join(v) if isinstance(v, list) else "",
)
def test_what_makes_no_sense_is_refused_and_nothing_is_written(words: list[str], said: str) -> None:
    np.save("five.npy", np.zeros((3, 5)))
    Path("taken").mkdir()
    Path("taken/mine.txt").write_text("mine")
    result = run(*words)
    assert result.exit_code == 2, result.output
    assert said in " ".join(result.stderr.split())
    assert not list(Path().rglob("*.onnx"))
    assert [path.name for path in Path("taken").iterdir()] == ["mine.txt"]


def test_a_folder_for_the_board_answers_and_tests_itself() -> None:
    words = ["lenet5", "--target", "raspberry-pi", "--int8", "--data", "drawn"]
    result = run(*words)
    assert result.exit_code == 0, result.output
    said = " ".join(result.stdout.split())
    assert said.startswith("lenet5-pi: LeNet5 for a Raspberry Pi model.int8.onnx ")
    assert "self-test passed" in said
    assert "lenet5-pi/README.md" in said
    facts = as_json(*words)  # again, over it: it is our own
    assert facts["accuracy"]["examples"] == 1000
    assert {"model.onnx", "model.int8.onnx", "sample.ppm"} <= facts["files"].keys()
    texts = texts_of("lenet5-pi/model.onnx")
    assert json.loads(texts["preprocess"])["kind"] == "digit"
    asked = runner().invoke(run_command, ["lenet5-pi/model.int8.onnx", "lenet5-pi/sample.ppm"])
    assert f"sample.ppm: {DrawnDigits('test', 1).labels[0]} " in asked.stdout


@pytest.mark.parametrize("place", [".", "thesis"])
def test_force_never_costs_a_folder_that_is_no_bundle(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("thesis/.git/HEAD", "thesis/sub/chapter.txt", "thesis/thesis.txt"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text("years")
    save(LeNet5().state_dict(), "thesis/w.safetensors")
    if place == ".":
        monkeypatch.chdir(tmp_path / "thesis")
    before = {path: path.is_file() and path.read_bytes() for path in tmp_path.rglob("*")}
    name = f"lenet5@{place}/w.safetensors"
    result = run(name, "--target", "raspberry-pi", "--out", place, "--force")
    assert result.exit_code == 2
    said = " ".join(result.stderr.split())
    assert said.endswith("folder with --out" if place != "." else "of its own with --out")
    assert {path: path.is_file() and path.read_bytes() for path in tmp_path.rglob("*")} == before


def test_what_was_changed_in_a_folder_is_refused_or_kept_and_said() -> None:
    words = ["my_model.py:Net", "--input", "6", "--target", "raspberry-pi"]
    assert run(*words).exit_code == 0
    Path("net-pi/infer.py").write_text("mine")
    result = run(*words)
    assert result.exit_code == 2
    assert "infer.py changed" in " ".join(result.stderr.split())
    assert "--force writes new ones" in " ".join(result.stderr.split())
    assert Path("net-pi/infer.py").read_text() == "mine"
    forced = run(*words, "--force").stdout
    assert "infer.py had been changed: it is kept as infer.py.bak" in " ".join(forced.split())
    assert Path("net-pi/infer.py.bak").read_text() == "mine"
    assert not Path("net-pi/__pycache__").exists()


def test_a_folder_of_a_model_that_nobody_described_reads_arrays() -> None:
    words = ["my_model.py:Net", "--input", "6", "--target", "raspberry-pi", "--json"]
    facts = json.loads(run(*words).stdout)
    assert facts["path"] == "net-pi"
    assert json.loads(Path("net-pi/preprocess.json").read_text())["kind"] == "array"
    labels = json.loads(Path("net-pi/labels.json").read_text())
    assert labels == [f"class {i}" for i in range(4)]


def test_it_is_said_whose_modules_were_at_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profile_command, "own_modules", lambda: "At work: your module 03.")
    assert "At work: your module 03." in run("lenet5").stdout
    json.loads(run("lenet5", "--json").stdout)  # and nothing else


def test_what_cannot_be_written_is_named_and_is_no_mistake_in_typing() -> None:
    result = run("my_model.py:Odd", "--input", "6")
    assert result.exit_code == 1
    assert "primitive 'squared_here'" in result.stderr
    assert not list(Path().rglob("*.onnx"))


def test_without_onnx_one_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    hide(monkeypatch, "onnx", "tinytorch.opt.onnx")
    result = run("lenet5")
    assert result.exit_code == 1
    assert 'python -m pip install "tinytorch-opt[onnx]"' in result.stderr


def test_without_the_runtime_the_file_is_written_and_one_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hide(monkeypatch, "onnxruntime")
    right = exporting_models.installed
    monkeypatch.setattr(
        exporting_models, "installed", lambda d: None if d == "onnxruntime" else right(d)
    )
    found = as_json("lenet5", "--data", "drawn")
    assert found["checked_with"]["onnxruntime"] is None
    assert found["accuracy"] is None
    assert found["accuracy_of_model"] > 0.5
    assert "onnxruntime is not installed, so the file was not" in " ".join(
        run("lenet5").stdout.split()
    )


def hide(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Make imports of these fail, as where they are not installed."""
    for name in list(sys.modules):
        if name.startswith("tinytorch.opt.onnx") and len(names) > 1:
            monkeypatch.delitem(sys.modules, name)
    real = builtins.__import__

    def importing(name: str, *rest: Any, **how: Any) -> Any:
        if name == names[0] or name.startswith(f"{names[0]}."):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(name, *rest, **how)

    monkeypatch.setattr(builtins, "__import__", importing)


@pytest.mark.skipif(not available("mnist"), reason="needs MNIST")
def test_on_real_digits_eight_bits_cost_half_a_point_at_most() -> None:
    found = as_json("lenet5", "--data", "mnist", "--int8")
    assert found["accuracy_of_float"] > 0.985  # the gate of milestone 1998
    assert found["accuracy"] >= found["accuracy_of_float"] - 0.005
    assert found["accuracy"] == pytest.approx(found["accuracy_of_model"], abs=5e-4)


def test_a_folder_that_reads_no_pictures_says_so_and_how_it_would() -> None:
    save(LeNet5().state_dict(), "w.safetensors")
    words = ["lenet5@w.safetensors", "--target", "raspberry-pi"]
    said = "reads arrays (.npy), and no pictures"
    assert said in " ".join(run(*words).stdout.split())
    assert said not in " ".join(run(*words, "--data", "drawn").stdout.split())
    assert said not in " ".join(run("lenet5", "--target", "raspberry-pi").stdout.split())


@pytest.mark.parametrize("target", ["onnx", "raspberry-pi"])
def test_weights_that_learned_other_data_are_said_to_have(target: str) -> None:
    for data in ("MNIST", "DrawnDigits"):
        save(LeNet5().state_dict(), f"{data}.safetensors", {"data": data})
    words = ["--data", "drawn", "--target", target, "--out", "made"]
    said = "These weights learned MNIST, and this is DrawnDigits"
    assert said in " ".join(run("lenet5@MNIST.safetensors", *words).stdout.split())
    if target == "raspberry-pi":
        assert "Its weights learned MNIST." in Path("made/README.md").read_text()
    assert "These weights" not in run("lenet5@DrawnDigits.safetensors", *words).stdout


@pytest.mark.parametrize("target", ["onnx", "raspberry-pi"])
def test_weights_that_a_file_of_ones_own_makes_are_said_to_be_fresh(target: str) -> None:
    said = "those that my_model.py:Net made just now"
    words = ["--input", "6", "--target", target]
    assert said in " ".join(run("my_model.py:Net", *words).stdout.split())
    net = model_named("my_model.py:Net", (6,))[0]
    save(net.state_dict(), "w.safetensors")
    result = run("my_model.py:Net@w.safetensors", *words, "--force")
    assert result.exit_code == 0, result.output
    assert said not in " ".join(result.stdout.split())


def test_another_model_is_not_written_over_without_force() -> None:
    assert as_json("chargpt", "--cache")["path"] == "chargpt.cache.onnx"
    assert as_json("chargpt")["path"] == "chargpt.onnx"
    before = Path("chargpt.onnx").read_bytes()
    for words, told in (
        (["chargpt", "--cache"], "chargpt.onnx holds CharGPT, and not CharGPT with a cache"),
        (["lenet5"], "chargpt.onnx holds CharGPT, and not LeNet5"),
    ):
        result = run(*words, "--out", "chargpt.onnx")
        assert result.exit_code == 2
        assert told in " ".join(result.stderr.split())
        assert Path("chargpt.onnx").read_bytes() == before
    assert run("chargpt", "--out", "chargpt.cache.onnx").exit_code == 2
    assert run("chargpt").exit_code == 0
    assert run("lenet5", "--out", "chargpt.onnx", "--force").exit_code == 0
    assert texts_of("chargpt.onnx")["model"] == "LeNet5"


def test_the_files_of_a_folder_name_their_model() -> None:
    assert run("lenet5", "--target", "raspberry-pi").exit_code == 0
    assert texts_of("lenet5-pi/model.onnx")["model"] == "LeNet5"


@pytest.mark.parametrize("name", ["chargpt", "resnet8@none.safetensors"])
def test_data_that_do_not_fit_are_not_looked_for(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(exporting_models.SETS, "mnist", lambda split: pytest.fail("was fetched"))
    result = run(name, "--data", "mnist")
    assert result.exit_code == 2
    assert "images of mnist are (1, 28, 28)" in " ".join(result.stderr.split())


def test_a_forward_for_a_batch_of_one_is_called_so() -> None:
    Path("one.py").write_text(
        "from tinytorch.nn import Module\n\n\nclass One(Module):\n    def forward(self, x):\n"
        "        return x.reshape(1, 6) * 2\n"
    )
    for target in ("onnx", "raspberry-pi"):
        result = run("one.py:One", "--input", "2,3", "--target", target)
        assert result.exit_code == 2
        assert "Its forward is written for a batch of 1" in " ".join(result.stderr.split())


def test_advice_that_is_no_option_is_said_to_be_an_argument() -> None:
    Path("few.py").write_text(
        "from tinytorch.nn import Module\n\n\nclass Few(Module):\n    def forward(self, x):\n"
        "        if x.shape[0] > 2:\n            raise ValueError('two at most')\n"
        "        return x * 2\n"
    )
    result = run("few.py:Few", "--input", "6")
    assert result.exit_code == 1
    assert "two at most" in result.stderr
    said = " ".join(result.stderr.split())
    assert "(axes is an argument of tinytorch.opt.onnx.export in Python, and no option)" in said
