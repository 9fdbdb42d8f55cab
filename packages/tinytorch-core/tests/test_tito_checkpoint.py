"""tito checkpoint: the questions asked of the reference, of students, and of wrong modules.

A wrong answer is planted in a copy of a module that has joined: the checkpoint whose question it
makes a lie must say no, by the check that is named. Left out: how checks are run (test_course_*).
"""

import json
from pathlib import Path

import pytest
from made_course import Done
from terminal import Terminal
from tito_shell import environment, tito

import tinytorch.core
from tinytorch.core.tier import TIER
from tinytorch.course import capabilities
from tinytorch.course.results import CheckResult
from tinytorch.course.tiers import Tier
from tinytorch.course.workspace import Workspace
from tinytorch.tito import main

pytestmark = pytest.mark.once

CORE = Path(tinytorch.core.__path__[0])


PASSING = CheckResult("check_all", "all", "add", "passed")


class Student:
    """Somebody in a workspace with copies of the reference that have joined, some made wrong."""

    def __init__(self, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.workspace = Workspace.create(root)
        self._capsys = capsys

    def __call__(self, *arguments: str) -> Done:
        self._capsys.readouterr()
        status = main(list(arguments))
        captured = self._capsys.readouterr()
        return Done(status, captured.out, captured.err)

    def have(self, module: str, *changes: tuple[str, str], joined: bool = True) -> None:
        """Write core/MODULE.py as the reference has it, with these replacements."""
        text = (CORE / f"{module}.py").read_text("utf-8")
        for old, new in changes:
            assert old in text, f"{module}.py has no {old!r} any more"
            text = text.replace(old, new)
        self.workspace.put(f"core/{module}.py", text)
        if joined:
            self.workspace.join(f"core/{module}.py")

    def state(self, number: str) -> str:
        """What `tito checkpoint --json` says of one of them."""
        known = json.loads(self("checkpoint", "--json").out)
        return str(next(entry["state"] for entry in known if entry["number"] == number))


@pytest.fixture
def student(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Student:
    made = Student(tmp_path / "my", capsys)
    monkeypatch.setenv("TINYTORCH_WORKSPACE", str(made.workspace.root))
    monkeypatch.setenv("TINYTORCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    for name in ("TINYTORCH_DATA", "PYTEST_ADDOPTS", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(capabilities, "tiers", lambda: (TIER,))  # whatever is installed beside core
    monkeypatch.chdir(made.workspace.root)
    return made


# What it says
def test_the_list_names_all_sixteen_and_where_those_of_other_tiers_are(
    student: Student, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capabilities, "_installed", lambda name: name == "tinytorch-arch")
    out = student("checkpoint").out
    rows = {line.split()[0]: line for line in out.splitlines() if line.strip()[:1].isdigit()}
    assert list(rows) == [str(number) for number in range(1, 17)]
    assert "not asked" in rows["1"]
    assert "borrows 01, 06" in rows["7"]
    assert "0 of 5" in rows["7"]
    assert "in tinytorch-arch, a later version" in rows["10"]
    assert "in tinytorch-opt, not installed" in rows["14"]
    assert "in tinytorch-olympics, not installed" in rows["16"]
    assert "Next: tito checkpoint 1" in out
    assert student("checkpoint", "list").out == out


def test_a_checkpoint_of_another_tier_is_refused_with_the_way_to_it(
    student: Student, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capabilities, "_installed", lambda name: False)
    done = student("checkpoint", "10")
    assert done.status == 1
    assert "python -m pip install tinytorch-arch" in done.err
    monkeypatch.setattr(capabilities, "_installed", lambda name: True)
    assert "a later version" in student("checkpoint", "10").err


def test_a_tier_that_brings_a_checkpoint_takes_its_place_in_the_list(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from tinytorch.core.tier import CHECKPOINTS
    from tinytorch.course.tiers import Checkpoint

    sees = Checkpoint("10", "A CNN sees", "Can I?", ("09",), "tinytorch.arch.capabilities.ten")
    core = Tier("core", "tinytorch-core", "", checkpoints=CHECKPOINTS)
    brought = (core, Tier("arch", "tinytorch-arch", "", checkpoints=(sees,)))
    monkeypatch.setattr(capabilities, "tiers", lambda: brought)
    ten = next(answer for answer in capabilities.answers(None) if answer.number == "10")
    assert ten.checkpoint is sees
    assert ten.state == capabilities.OPEN


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["17"], "There is no checkpoint '17'. They are called 1 to 16"),
        (["0"], "There is no checkpoint '0'"),
        (["gradients"], "There is no checkpoint 'gradients'"),
        (["run"], "Which checkpoint? tito checkpoint run 7"),
        (["7", "8"], "One word too many: '8'"),
        (["list", "8"], "One word too many: '8'"),
        (["--mine"], "--mine goes with a number"),
    ],
)
def test_wrong_use_is_a_usage_error(student: Student, arguments: list[str], said: str) -> None:
    done = student("checkpoint", *arguments)
    assert done.status == 2
    assert said in done.err


# Whose code answers
def test_outside_of_a_workspace_the_reference_answers_and_it_is_said(tmp_path: Path) -> None:
    done = tito("checkpoint", "run", "02", cwd=tmp_path, TINYTORCH_WORKSPACE="off")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "There is no workspace here: the installed reference answers." in done.stdout
    assert "The reference can." in done.stdout
    assert not list(tmp_path.rglob("*.json")), "nothing is kept outside of a workspace"


def test_in_a_workspace_it_is_said_how_many_modules_are_whose(student: Student) -> None:
    done = student("checkpoint", "3")
    assert done.status == 0
    assert "0 of 2 modules are yours, all are from the reference" in done.out
    assert "The reference can; no module at work is yours." in done.out
    student.have("tensor")
    done = student("checkpoint", "3")
    assert "1 of 2 modules are yours (01), the rest from the reference" in done.out
    assert "Yes, with 02 borrowed." in done.out


def test_mine_refuses_to_borrow(student: Student) -> None:
    student.have("tensor")
    done = student("checkpoint", "3", "--mine")
    assert done.status == 1
    assert "needs 2 modules, and 02 would be borrowed" in done.err
    assert student("checkpoint", "2", "--mine").status == 0


def test_a_file_that_has_not_joined_does_not_answer(student: Student) -> None:
    student.have("activations", ("np.maximum(x, 0)", "x"), joined=False)
    assert student("checkpoint", "3").status == 0
    student.workspace.join("core/activations.py")
    assert student("checkpoint", "3").status == 1


# The answer is kept as long as it is true
def test_an_answer_holds_until_a_module_at_work_changes_or_leaves(student: Student) -> None:
    student.have("tensor")
    student.have("autograd")
    assert student.state("2") == capabilities.OPEN
    student("checkpoint", "2")
    assert student.state("2") == capabilities.YES
    assert "1 of 9 answered yes (2)" in student("checkpoint").out
    student.have("autograd", ("Module 06: gradients.", "My gradients."))
    assert student.state("2") == capabilities.YES, "it has no part in checkpoint 2"
    student.have("tensor", ("Module 01: the tensor", "My tensor"))
    assert student.state("2") == capabilities.OPEN
    student("checkpoint", "2")
    assert student.state("2") == capabilities.YES
    student.workspace.leave("core/tensor.py")
    assert student.state("2") == capabilities.WAITING


def test_a_yes_with_borrowed_modules_that_can_be_built_is_told_from_a_whole_one(
    student: Student,
) -> None:
    student("checkpoint", "2")
    assert student.state("2") == capabilities.BORROWING
    out = student("checkpoint").out
    assert "yes, borrowing 01" in out
    assert "Checkpoints: 0 of 9 answered yes. 7 more come with further packages." in out
    student.have("autograd")
    said = " ".join(student("checkpoint", "7").out.split())
    assert " borrowed; it counts once you have built 01." in said


def test_list_and_status_show_the_checkpoints_in_one_line(student: Student) -> None:
    student.have("tensor", ("np.mean(x,", "np.sum(x,"))
    assert student("checkpoint", "2").status == 1
    assert "Checkpoints: 0 of 9 answered yes, not yet: 2." in student("list").out
    found = json.loads(student("list", "--json").out)["checkpoints"]
    states = [entry["state"] for entry in found]
    assert (states[0], states[1], states[6]) == ("not asked", "not yet", "waits")


def test_completing_a_module_names_the_checkpoint_that_is_within_reach(student: Student) -> None:
    student.have("tensor", joined=False)
    done = student("complete", "01")
    assert done.status == 0, done.out
    assert "Within reach: checkpoint 2, Tensors store and transform data" in done.out
    assert "tito checkpoint 2" in done.out
    [reach] = [line for line in done.out.splitlines() if line.startswith("Within reach")]
    assert "7" not in reach, "06 is still borrowed"
    student("checkpoint", "2")
    assert "Within reach: checkpoint 2" not in student("complete", "01").out


# The answer itself
@pytest.mark.parametrize("number", [str(number) for number in range(1, 10)])
def test_the_reference_answers_every_question_with_yes(student: Student, number: str) -> None:
    done = student("checkpoint", number, "--json")
    found = json.loads(done.out)
    assert done.status == 0, found["result"]
    assert len(found["result"]["checks"]) >= 5


WRONG = [
    # module, right, wrong, the checkpoint that says no, one of the checks that say so
    ("tensor", "np.mean(x,", "np.sum(x,", "2", "each pixel is standardised over all pictures"),
    (
        "tensor",
        "np.float32 if given.dtype == np.float64 else None",
        "None",
        "2",
        "pictures are stored as they are four bytes a pixel",
    ),
    ("activations", "np.maximum(x, 0)", "x", "3", "two units and a relu compute xor"),
    (
        "activations",
        "np.exp(x - x.max(axis=axis, keepdims=True))",
        "np.exp(x)",
        "3",
        "numbers far out stay numbers",
    ),
    (
        "layers",
        "tensor.data.copy()",
        "tensor.data",
        "4",
        "a state is a copy and one that does not fit changes nothing",
    ),
    (
        "layers",
        "(keep / np.float32(1 - self.p))",
        "keep.astype(np.float32)",
        "4",
        "dropout thins out training and leaves evaluation alone",
    ),
    (
        "layers",
        "seen.add(id(tensor))",
        "pass",
        "4",
        "every parameter is found once under its name",
    ),
    (
        "losses",
        "np.asarray(np.mean(losses))",
        "np.sum(losses)",
        "5",
        "the same examples twice score the same",
    ),
    (
        "dataloader",
        "rng.permutation(n) if",
        "np.random.default_rng(0).permutation(n) if",
        "6",
        "shuffling changes with each epoch and repeats with its seed",
    ),
    (
        "dataloader",
        "-(-n // self.batch_size)",
        "n // self.batch_size",
        "6",
        "an epoch hands out every example exactly once",
    ),
    (
        "autograd",
        "g * (1 - call.out * call.out)",
        "g * (1 - call.out)",
        "7",
        "a network with its loss has the gradient that differences show",
    ),
    (
        "autograd",
        'np.add.at(dx, call.params["index"], g)',
        'dx[call.params["index"]] += g',
        "7",
        "values that are used again stretched and indexed get every share",
    ),
    (
        "optimizers",
        "exp_avg / (1 - beta1**step)",
        "exp_avg",
        "8",
        "the first steps of adam have the length of its learning rate",
    ),
    (
        "optimizers",
        "parameter -= lr * gradient",
        "parameter += lr * gradient",
        "8",
        "each step in a bowl goes the same share of the way",
    ),
    (
        "training",
        "self.optimizer.step()",
        "pass",
        "9",
        "the network reads digits it has never seen",
    ),
    (
        "training",
        "base * factor",
        "base",
        "9",
        "training lowers the loss and its learning rate",
    ),
]


@pytest.mark.parametrize(
    ("module", "right", "wrong", "number", "said"),
    WRONG,
    ids=[f"{row[3]}-{row[0]}-{row[2]}" for row in WRONG],
)
def test_a_wrong_module_is_told_by_the_question_it_makes_a_lie(
    student: Student, module: str, right: str, wrong: str, number: str, said: str
) -> None:
    student.have(module, (right, wrong))
    done = student("checkpoint", number, "--json")
    assert done.status == 1
    failed = [c for c in json.loads(done.out)["result"]["checks"] if c["outcome"] != "passed"]
    assert said in [check["sentence"] for check in failed]
    assert student.state(number) == capabilities.NOT_YET


def test_a_wrong_loss_is_no_trouble_for_the_questions_before_it(student: Student) -> None:
    student.have("losses", ("np.asarray(np.mean(losses))", "np.sum(losses)"))
    assert student("checkpoint", "4").status == 0
    done = student("checkpoint", "5")
    assert done.status == 1
    assert "wrong        the same examples twice score the same" in done.out
    assert "why: all alike: log 10" in done.out, "the first wrong one in full"
    assert "in one number that can be trusted? Not yet." in done.out


def test_a_joined_file_that_is_gone_is_a_tool_that_does_not_work(student: Student) -> None:
    assert student("checkpoint", "1").status == 0
    student.have("losses")
    student.workspace.path("core/losses.py").unlink()
    done = student("checkpoint", "1")
    assert done.status == 1
    assert "core/losses.py has joined, but it is gone" in done.out


def test_a_file_that_cannot_be_imported_is_shown_with_its_line(student: Student) -> None:
    student.have("losses", ("def mse_loss(", "def mse_loss(("))
    done = student("checkpoint", "5")
    assert done.status == 1
    assert "A file cannot be imported." in done.out
    assert "def mse_loss((" in done.out
    assert "Next: tito test 04" in done.out


def test_an_endless_loop_is_stopped_and_said(
    student: Student, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capabilities, "SECONDS", 2.0)
    student.have("losses", ("    return losses\n", "    while True: pass\n"))
    done = student("checkpoint", "5")
    assert done.status == 1
    assert "never ends   the losses are those of the books" in done.out
    assert "waiting      only differences of scores count" in done.out  # one loop is enough


def test_a_single_layer_does_not_pass_for_a_reader_of_digits(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from tinytorch.core.capabilities import check_9_digits
    from tinytorch.core.layers import Linear, Sequential

    monkeypatch.setenv("TINYTORCH_CACHE", str(tmp_path))
    monkeypatch.delenv("TINYTORCH_DATA", raising=False)
    single = Sequential(lambda x: x.reshape(len(x), -1), Linear(784, 10))
    monkeypatch.setattr(check_9_digits, "network", lambda seed: single)
    with pytest.raises(AssertionError, match="the gate is 95%"):
        check_9_digits.check_the_network_reads_digits_it_has_never_seen()


# The screen
def test_no_line_is_wider_than_the_terminal(tmp_path: Path) -> None:
    Workspace.create(tmp_path / "my")
    variables = environment(tmp_path, OMP_NUM_THREADS="1")
    variables.pop("TINYTORCH_WORKSPACE", None)
    with Terminal(tmp_path / "my", variables, columns=44) as terminal:
        for command in ("tito checkpoint", "tito checkpoint 3"):
            status, text = terminal.run(command)
            assert status == 0
            assert max(len(line) for line in text.splitlines()) < 44, text


def test_a_fault_that_no_lesson_sees_is_narrowed_to_the_operations_at_work(
    student: Student,
) -> None:
    student.have("tensor", ("np.mean(x,", "np.sum(x,"))
    said = student("checkpoint", "2").out
    assert "Next: tito test 01\n" in said, "its own checks were not asked yet"
    # what they found is made up: no check of the lesson's should miss anything
    result = capabilities.ModuleResult("01", "tinytorch.core.tensor", "f", (PASSING,))
    student.workspace.remember(
        "core/tensor.py", result.as_dict(), student.workspace.hash("core/tensor.py")
    )
    said = student("checkpoint", "2").out
    assert "Next: tito diff 01\n" in said
    [named] = [line for line in said.splitlines() if "operations at work: " in line]
    assert named.split(": ")[1].split(", ")[:3] == ["mean", "sub", "mul"]
    assert "expected  shape (60, 784)  from " in said
    assert len(said.splitlines()) < 30
