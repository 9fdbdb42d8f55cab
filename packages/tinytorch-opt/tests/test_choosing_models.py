"""Which model a text names. Left out: the commands that ask (test_bench_command)."""

import sys
from pathlib import Path

import numpy as np
import pytest

from tinytorch import no_grad, save
from tinytorch.arch.models import LeNet5
from tinytorch.arch.trained import trained
from tinytorch.opt.choosing_models import (
    KNOWN,
    ChoiceError,
    example_input,
    has_trained_weights,
    model_named,
    shape_from,
    vocabulary,
)
from tinytorch.opt.packing import pack
from tinytorch.opt.quantization import quantize
from tinytorch.opt.quantized_files import save_quantized

OWN = """
from tinytorch.nn import Linear, Module
from beside import WIDTH

class Net(Module):
    def __init__(self, width=WIDTH):
        self.hidden = Linear(4, width)

    def forward(self, x):
        return self.hidden(x)

class Sized(Net):
    def __init__(self, width):
        super().__init__(width)

def small():
    return Net(2)

ready = Net(5)
number = 3
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    (tmp_path / "beside.py").write_text("WIDTH = 3\n")
    path = tmp_path / "my_model.py"
    path.write_text(OWN)
    return path


@pytest.mark.parametrize("name", KNOWN)
def test_every_known_model_answers_an_example_of_its_shape(name: str) -> None:
    model, shape = model_named(name)
    with no_grad():
        out = model(example_input(model, shape, batch=2))
    assert out.shape[0] == 2
    assert not any(module.training for module in model.modules())


def test_lenet_comes_trained_and_the_others_from_a_seed() -> None:
    model, _ = model_named("LeNet-5")
    expected = trained("lenet5").state_dict()
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, expected[name])
    first, second, other = (model_named("resnet8", seed=seed)[0].state_dict() for seed in (0, 0, 1))
    name = next(iter(first))
    np.testing.assert_array_equal(first[name], second[name])
    assert not np.array_equal(first[name], other[name])
    assert has_trained_weights("lenet5")
    assert has_trained_weights("resnet8@w.safetensors")
    assert not has_trained_weights("resnet8")


def test_weights_after_an_at_sign_are_loaded(tmp_path: Path) -> None:
    state = LeNet5(rng=np.random.default_rng(5)).state_dict()
    path = tmp_path / "w.safetensors"
    save(state, path)
    model, _ = model_named(f"lenet5@{path}")
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, state[name])
    with pytest.raises(ValueError, match="does not fit ResNet8"):
        model_named(f"resnet8@{path}")


def test_weights_of_another_model_are_told_in_few_lines_and_always_the_same(tmp_path: Path) -> None:
    path = tmp_path / "gpt.safetensors"
    more = model_named("chargpt")[0].state_dict()
    save(LeNet5().state_dict() | more, path)
    with pytest.raises(ChoiceError) as refused:
        model_named(f"lenet5@{path}")
    lines = str(refused.value).splitlines()
    assert lines[0] == f"{path}: this state does not fit LeNet5:"
    shown = [f"  {name}: unexpected" for name in sorted(more)[:6]]  # a file has no order
    assert lines[1:] == [*shown, f"  and {len(more) - 6} more: is it of another model?"]


def test_files_that_hold_no_plain_weights_are_told_with_what_reads_them(tmp_path: Path) -> None:
    model = trained("lenet5")
    pack(model, tmp_path / "w.ttpack")
    x = np.random.default_rng(0).standard_normal((4, 1, 28, 28), np.float32)
    save_quantized(quantize(model, [x]), tmp_path / "w.int8.safetensors")
    with pytest.raises(ChoiceError, match=r"w\.ttpack is a packed file: .*unpack\(path, model\)"):
        model_named(f"lenet5@{tmp_path / 'w.ttpack'}")
    with pytest.raises(ChoiceError, match=r"a quantised model, which .*load_quantized\(path, mod"):
        model_named(f"lenet5@{tmp_path / 'w.int8.safetensors'}")


@pytest.mark.parametrize(("name", "width"), [("Net", 3), ("small", 2), ("ready", 5)])
def test_a_file_gives_a_class_a_function_or_a_model(own: Path, name: str, width: int) -> None:
    model, shape = model_named(f"{own}:{name}", (4,))
    assert shape == (4,)
    assert model(example_input(model, shape)).shape == (1, width)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("lenet", "no model is called 'lenet'. Did you mean lenet5? There are lenet5, cifarcnn, "),
        ("lenet5@", "after @ comes a file of weights"),
        ("lenet5@nowhere.safetensors", "no such file of weights for lenet5"),
        ("nowhere.py:Net", "nowhere.py: there is no such file"),
        ("{own}", "say which model in it, as in {own}:Net; it defines Net, Sized"),
        ("{own}:Nett", "has nothing called 'Nett'; it defines Net, Sized"),
        ("{own}:Sized", "needs width: give them defaults"),
        ("{own}:number", "is a int, not a model"),
    ],
)
def test_a_text_that_names_no_model_is_told_what_would(own: Path, text: str, said: str) -> None:
    with pytest.raises(ChoiceError) as caught:
        model_named(text.replace("{own}", str(own)), (4,))
    assert said.replace("{own}", str(own)) in str(caught.value)


def test_a_model_of_a_file_needs_the_shape_of_an_example(own: Path) -> None:
    with pytest.raises(ChoiceError, match="--input 1,28,28"):
        model_named(f"{own}:Net")
    with pytest.raises(ChoiceError, match="sizes are at least 1"):
        model_named(f"{own}:Net", (4, 0))


def test_a_shape_given_replaces_the_known_one() -> None:
    model, shape = model_named("resnet8", (3, 64, 48))
    assert model(example_input(model, shape)).shape == (1, 10)


def test_a_reader_of_tokens_is_given_tokens() -> None:
    gpt, shape = model_named("chargpt", (16,))
    tokens = example_input(gpt, shape, batch=3)
    assert tokens.shape == (3, 16)
    assert tokens.dtype.kind == "i"
    assert vocabulary(gpt) == 65
    assert vocabulary(model_named("digitvit")[0]) is None


@pytest.mark.parametrize("text", ["1,28,28", "1x28x28", "(1, 28, 28)", "1,28,28,"])
def test_a_shape_is_read(text: str) -> None:
    assert shape_from(text) == (1, 28, 28)


@pytest.mark.parametrize("text", ["", "a,b", "1,0", "-1"])
def test_what_is_no_shape_is_refused(text: str) -> None:
    with pytest.raises(ChoiceError, match="no shape"):
        shape_from(text)


def test_a_file_that_fails_is_not_left_half_imported(tmp_path: Path) -> None:
    path = tmp_path / "broken.py"
    path.write_text("x = 1 / 0\n")
    with pytest.raises(ChoiceError, match="line 1: ZeroDivisionError"):
        model_named(f"{path}:Net", (4,))
    path.write_text("from tinytorch.nn import Linear\nmodel = Linear(4, 2)\n")
    assert model_named(f"{path}:model", (4,))[0].num_parameters() == 10


def test_two_files_have_each_their_own_neighbour(tmp_path: Path) -> None:
    for folder, width in (("old", 3), ("new", 7)):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "beside.py").write_text(f"WIDTH = {width}\n")
        (tmp_path / folder / "my_model.py").write_text(OWN)
    before, path = set(sys.modules), list(sys.path)
    widths = [
        model_named(f"{tmp_path / folder / 'my_model.py'}:Net", (4,))[0].hidden.weight.shape[1]
        for folder in ("old", "new")
    ]
    assert widths == [3, 7]
    assert set(sys.modules) - before <= {"_chosen_my_model"}
    assert sys.path == path


def test_what_is_installed_in_a_folder_of_the_file_stays_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / ".venv" / "site-packages"
    site.mkdir(parents=True)
    (site / "installed_there.py").write_text("WIDTH = 5\n")
    monkeypatch.syspath_prepend(str(site))
    path = tmp_path / "my_model.py"
    path.write_text(OWN.replace("from beside", "from installed_there"))
    model_named(f"{path}:Net", (4,))
    assert sys.modules.pop("installed_there").WIDTH == 5
