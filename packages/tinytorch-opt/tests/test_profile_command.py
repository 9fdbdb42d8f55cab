"""`tito profile`: what is typed, what comes, and what is refused before anything is measured."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from shell import runner

from tinytorch.arch.models import LeNet5, multiply_adds
from tinytorch.core import activations
from tinytorch.core.context import current, listening
from tinytorch.course.workspace import Workspace
from tinytorch.opt import roofline as roofline_module
from tinytorch.opt.profile_command import profile
from tinytorch.opt.roofline import Machine

OWN = """
import numpy as np
from tinytorch.core.primitive import gradient, primitive
from tinytorch.nn import Linear, Module

@primitive
def cubed_in_my_model(x):
    return x * x * x

@gradient("cubed_in_my_model")
def cubed_gradient(g, call):
    return 3 * g * call.arrays[0] ** 2

class Net(Module):
    def __init__(self):
        self.hidden = Linear(6, 4)

    def forward(self, x):
        return cubed_in_my_model(self.hidden(x))

class Pair(Module):
    def forward(self, x):
        return x, x

class Broken(Module):
    def forward(self, x):
        return x.reshape(7, 7)
"""


def run(*words: str) -> Result:
    return runner().invoke(profile, [*words, "--repeats", "1"])


def as_json(*words: str) -> dict[str, Any]:
    result = run(*words, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine whose peaks need not be measured."""
    monkeypatch.setattr(roofline_module, "measure_machine", lambda: Machine(1e11, 2e10, 8e10, 1))


@pytest.fixture
def own_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A file with models of a user; its primitive is taken back at the end."""
    from tinytorch.core import primitive as door

    (tmp_path / "my_model.py").write_text(OWN, "utf-8")
    monkeypatch.chdir(tmp_path)
    yield tmp_path / "my_model.py"
    for table in (door._PRIMITIVES, door.RULES, door.KERNELS):
        table.pop("cubed_in_my_model", None)


# What comes
def test_a_model_is_profiled_by_name() -> None:
    result = run("lenet5")
    assert result.exit_code == 0, result.output
    assert result.output.startswith("LeNet5, 61,706 parameters, input 1x1x28x28: forward, without")
    for name in ("conv2d", "max_pool2d", "linear", "relu"):
        assert f"\n{name} " in result.output
    assert "in the block" in result.output
    assert "\x1b" not in result.output


def test_json_is_all_of_the_output_and_counts_what_the_model_is_known_to_cost() -> None:
    record = as_json("lenet5", "--batch", "3")
    assert record["input"] == [3, 1, 28, 28]
    products = multiply_adds(LeNet5(), 1, 28, 28)
    assert sum(row["flops"] for row in record["rows"]) == 3 * 2 * products
    assert sum(row["self_ns"] for row in record["rows"]) == record["in_primitives_ns"]
    assert {row["gradient_rules"] for row in record["rows"]} == {0}
    assert record["threads"] >= 1


def test_backward_is_a_step_of_training() -> None:
    record = as_json("resnet8", "--batch", "2", "--backward")
    names = {row["name"] for row in record["rows"]}
    assert "batch_norm2d" in names
    assert "batch_norm2d_eval" not in names
    conv = next(row for row in record["rows"] if row["name"] == "conv2d")
    assert conv["gradient_rules"] == conv["calls"] == 9
    assert conv["backward_ns"] > 0
    assert "batch_norm2d_eval" in {row["name"] for row in as_json("resnet8")["rows"]}


def test_rows_are_layers_sorted_and_limited_as_asked() -> None:
    record = as_json("lenet5", "--by", "layer", "--sort", "flops", "--limit", "2")
    assert [row["name"] for row in record["rows"]] == ["LeNet5", "3"]
    assert "  0 (Conv2d) " in run("lenet5", "--by", "layer").output


def test_a_transformer_reads_tokens() -> None:
    record = as_json("chargpt", "--input", "16")
    assert record["input"] == [1, 16]
    assert "scaled_dot_product_attention" in {row["name"] for row in record["rows"]}


def test_plain_kernels_can_be_asked_for() -> None:
    used: list[Any] = []
    with listening(lambda event: used.append(event.record.kernel)):
        assert as_json("lenet5", "--kernels", "plain")["kernels"] == "plain"
        assert current().kernels == "fast"  # afterwards, as before
    assert used
    assert set(used) == {None}
    with listening(lambda event: used.append(event.record.kernel)):
        as_json("lenet5")
    assert set(used) > {None}
    result = run("lenet5", "--kernels", "magic")
    assert result.exit_code == 2
    assert "there are fast, plain" in result.stderr.replace("compiled, ", "")


def test_trace_and_roofline_are_written_and_named(tmp_path: Path, machine: None) -> None:
    pytest.importorskip("matplotlib")
    trace, picture = tmp_path / "out.json", tmp_path / "roof.png"
    result = run(
        "lenet5", "--backward", "--trace", str(trace), "--roofline", str(picture), "--by", "layer"
    )
    assert result.exit_code == 0, result.output
    assert json.loads(trace.read_text("utf-8"))["traceEvents"]
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert "Trace:" in result.output
    assert "100 GFLOP/s" in " ".join(result.output.split())


def test_the_roofline_is_printed_where_no_file_is_named_or_nothing_can_draw(
    tmp_path: Path, machine: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = run("lenet5", "--roofline", "-")
    assert "operations per byte" in result.output
    monkeypatch.setattr(roofline_module, "save_roofline", lambda *_: None)
    result = run("lenet5", "--roofline", str(tmp_path / "roof.png"))
    assert result.exit_code == 0
    assert "matplotlib is not installed" in result.output
    assert "operations per byte" in result.output
    points = as_json("lenet5", "--roofline", "-")["points"]
    assert {point["name"] for point in points} >= {"conv2d", "linear"}


# Models of one's own
@pytest.mark.usefixtures("own_file")
def test_a_model_of_ones_own_with_a_primitive_of_ones_own_has_unknown_costs() -> None:
    result = run("my_model.py:Net", "--input", "6", "--batch", "2", "--backward")
    assert result.exit_code == 0, result.output
    [line] = [line for line in result.output.splitlines() if line.startswith("cubed_in_my")]
    assert line.split().count("-") == 5
    record = as_json("my_model.py:Net", "--input", "6", "--backward")
    mine = next(row for row in record["rows"] if row["name"] == "cubed_in_my_model")
    assert (mine["flops"], mine["bytes"], mine["of_unknown_cost"]) == (None, None, 2)
    linear = next(row for row in record["rows"] if row["name"] == "linear")
    assert linear["flops"] == 2 * (2 * 6 * 4)  # x wants no gradient: forward and dw


@pytest.mark.usefixtures("own_file")
@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["lenett"], "Did you mean lenet5"),
        (["nothing"], "There are lenet5, cifarcnn"),
        (["my_model.py:Net"], "--input"),
        (["my_model.py:Nut", "--input", "6"], "it defines Net, Pair, Broken"),
        (["nowhere.py:Net", "--input", "6"], "no such file"),
        (["lenet5", "--input", "big"], "is no shape"),
        (["lenet5", "--batch", "0"], "--batch"),
        (["lenet5", "--sort", "speed"], "--sort"),
        (["lenet5", "--trace", "no/where/out.json"], "there is no folder"),
        (["lenet5", "--roofline", "roof.bmp"], "ends in .png, .svg or .pdf"),
    ],
)
def test_wrong_usage_exits_with_2_and_says_what_is_right(words: list[str], told: str) -> None:
    result = run(*words)
    assert result.exit_code == 2, result.output
    assert told in result.stderr


@pytest.mark.usefixtures("own_file")
def test_a_model_without_a_gradient_to_pass_back_is_an_error_and_no_traceback() -> None:
    result = run("my_model.py:Pair", "--input", "6", "--backward")
    assert result.exit_code == 1
    assert "Pair returned tuple" in result.stderr


@pytest.mark.usefixtures("own_file")
def test_an_error_in_the_model_is_its_own() -> None:
    result = run("my_model.py:Broken", "--input", "6")
    assert isinstance(result.exception, ValueError)


# As a process
def in_workspace(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the command as tito does, where a student's modules are at work."""
    program = (
        "import sys\nfrom tinytorch import tito\nfrom tinytorch.tito.app import tito as group\n"
        "from tinytorch.opt.profile_command import profile\n"
        "type(group).get_command = lambda self, context, name: profile\n"
        "sys.exit(tito.main(sys.argv[1:]))"
    )
    return subprocess.run(
        [sys.executable, "-c", program, "profile", *words, "--repeats", "1"],
        cwd=root,
        env=os.environ | {"TINYTORCH_WORKSPACE": str(root)},
        capture_output=True,
        text=True,
    )


def test_in_a_workspace_the_students_modules_are_profiled_and_named(tmp_path: Path) -> None:
    source = Path(activations.__file__).read_text("utf-8")
    workspace = Workspace.create(tmp_path / "my")
    workspace.put("core/activations.py", source)
    workspace.join("core/activations.py")
    done = in_workspace(workspace.root, "lenet5")
    assert done.returncode == 0, done.stderr
    assert "1 of " in done.stdout
    assert "modules are yours (02)" in " ".join(done.stdout.split())
    broken = source.replace("return np.maximum(x, 0)", "return x.nothing_here")
    assert broken != source
    workspace.put("core/activations.py", broken)
    done = in_workspace(workspace.root, "lenet5")
    assert done.returncode == 1
    assert "core/activations.py, line" in done.stderr
    assert "Traceback" not in done.stderr


def test_it_uses_one_thread_unless_the_environment_asks_for_more(tmp_path: Path) -> None:
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
    kept = {name: value for name, value in os.environ.items() if name not in names}
    program = "from tinytorch.opt.profile_command import profile; profile()"
    for given, threads in (({}, 1), ({"OMP_NUM_THREADS": "2"}, 2)):
        done = subprocess.run(
            [sys.executable, "-c", program, "lenet5", "--json", "--repeats", "1"],
            cwd=tmp_path,
            env=kept | given,
            capture_output=True,
            text=True,
            check=True,
        )
        assert json.loads(done.stdout)["threads"] == threads
        assert done.stderr == ""


def test_asking_for_help_imports_no_numpy(tmp_path: Path) -> None:
    program = (
        "import sys\nfrom tinytorch.opt.profile_command import profile\n"
        "profile(['--help'], standalone_mode=False)\nprint('numpy' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.rstrip().endswith("False")
